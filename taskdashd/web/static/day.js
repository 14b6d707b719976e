// The day in pictures: small charts, of nothing but what the daemon has counted.

import { fill, h, onFrame, s } from './dom.js';
import { figures, known, nameOf, on } from './feed.js';
import { explain } from './acts.js';
import { number, span, t } from './words.js';

const W = 480, H = 150, LEFT = 40, BOTTOM = 20;
const LEVELS = [['live', 'live'], ['待领取', 'free'], ['已领取', 'claimed'], ['编辑中', 'editing'], ['待审核', 'review']];

export function open(main) {
  const body = h('div.charts');
  fill(main, h('div.viewhead', null, h('h1', null, t('view.day')), h('p', null, t('day.about'))), body);

  const paint = onFrame(() => {
    const figures = known.figures;
    if (!figures) return;
    const load = Object.entries(figures.load).map(([user, states]) => [nameOf(user), (states['已领取'] ?? 0) + (states['编辑中'] ?? 0)]).filter(([, n]) => n).sort((a, b) => b[1] - a[1]).slice(0, 12);
    fill(body,
      h('div.tiles.small', null,
        h('div.tile', null, h('strong', null, span(figures.claim_s)), h('span', null, t('day.claim'))),
        h('div.tile', null, h('strong', null, span(figures.finish_s)), h('span', null, t('day.finish'))),
        h('div.tile', null, h('strong', null, number(sum(figures.day, 'finished'))), h('span', null, t('day.finished'))),
        h('div.tile', null, h('strong', null, number(sum(figures.day, 'died'))), h('span', null, t('day.died')))),
      chart(t('day.levels'), areas(figures.day), h('p.legend', null, LEVELS.map(([, name]) => h('span', null, h(`span.dot.${name}`), t(`state.${name}`))))),
      chart(t('day.deaths'), bars(figures.day, [['died', 'dead'], ['recovered', 'live']]), h('p.legend', null, h('span', null, h('span.dot.dead'), t('day.died')), h('span', null, h('span.dot.live'), t('day.recovered')))),
      chart(t('day.work'), bars(figures.day, [['claimed', 'claimed'], ['finished', 'done']]), h('p.legend', null, h('span', null, h('span.dot.claimed'), t('day.claimed')), h('span', null, h('span.dot.done'), t('day.finished')))),
      h('figure', null, h('figcaption', null, t('day.load')), load.length ? h('ul.loads', null, load.map(([name, n]) => h('li', null, h('span', null, name), h('span.editing', { style: { '--share': n / load[0][1] } }), h('span', null, n)))) : h('p.nothing', null, t('day.load.none'))));
  });

  const offs = [on('figures', paint), on('people', paint)];
  figures().catch(explain);
  paint();
  return () => offs.forEach((off) => off());
}

const sum = (day, name) => day.reduce((total, one) => total + (one.events[name] ?? 0), 0);

function chart(title, picture, legend) {
  return h('figure', null, h('figcaption', null, title), picture, legend);
}

function frame(title, top, day, ...marks) {
  const x = (n) => LEFT + (n / Math.max(1, day.length - 1)) * (W - LEFT);
  const hours = day.map((one, n) => [new Date(one.at * 1000), n]).filter(([at]) => at.getMinutes() === 0 && at.getHours() % 4 === 0);
  return s('svg', { class: 'chart', viewBox: `0 0 ${W} ${H + BOTTOM}`, role: 'img', 'aria-label': title },
    [0, 0.5, 1].filter((share) => Number.isInteger(share * top)).map((share) => [s('line', { x1: LEFT, x2: W, y1: H - share * (H - 10), y2: H - share * (H - 10), class: 'grid' }), s('text', { x: LEFT - 6, y: H - share * (H - 10) + 4, 'text-anchor': 'end' }, number(Math.round(share * top)))]),
    marks,
    hours.map(([at, n]) => s('text', { x: x(n), y: H + 15, 'text-anchor': 'middle' }, `${at.getHours()}:00`)));
}

/** Tasks by state, one upon another. Where the daemon did not run, nothing is drawn. */
function areas(day) {
  const total = (one) => LEVELS.reduce((all, [state]) => all + (one.tasks?.[state] ?? 0), 0);
  const top = nice(Math.max(1, ...day.map(total)));
  const step = (W - LEFT) / day.length;
  const marks = day.flatMap((one, n) => {
    let base = 0;
    return one.tasks === null ? [] : LEVELS.map(([state, name]) => {
      const count = one.tasks[state] ?? 0, height = (count / top) * (H - 10);
      base += height;
      return height > 0 ? s('rect', { x: LEFT + n * step, width: step + 0.3, y: H - base, height, class: name }) : null;
    });
  });
  return frame(t('day.levels'), top, day, marks);
}

function bars(day, kinds) {
  const top = nice(Math.max(1, ...day.flatMap((one) => kinds.map(([kind]) => one.events[kind] ?? 0))));
  const step = (W - LEFT) / day.length, width = Math.max(1, step / kinds.length - 0.5);
  const marks = day.flatMap((one, n) => kinds.map(([kind, name], k) => {
    const height = ((one.events[kind] ?? 0) / top) * (H - 10);
    return height > 0 ? s('rect', { x: LEFT + n * step + k * width, width, y: H - height, height, class: name }) : null;
  }));
  return frame(kinds.map(([kind]) => t(`day.${kind}`)).join(', '), top, day, marks);
}

function nice(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((one) => one * size).find((one) => one >= value);
}
