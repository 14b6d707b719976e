// Services: alive, late or dead, since when, and how the last day was.

import { fill, h, later, onFrame, s } from './dom.js';
import { ask, known, now, on } from './feed.js';
import { explain } from './acts.js';
import { since } from './tasks.js';
import { link } from './app.js';
import { ago, t, when } from './words.js';

const DAY = 86400000;
const RANK = { dead: 0, late: 1, alive: 2 };

export function open(main) {
  let days = new Map();
  let live = true;
  const body = h('div');
  fill(main, h('div.viewhead', null, h('h1', null, t('view.services')), h('p', null, t('services.about'))), body);

  const paint = onFrame(() => {
    const rows = [...known.services].sort((a, b) => RANK[a.state] - RANK[b.state] || (a.name || a.url).localeCompare(b.name || b.url));
    if (!rows.length) {
      fill(body, h('div.welcome', null, h('h2', null, t('services.none')), h('p', null, t('services.none.about')), h('pre', { tabindex: 0 }, h('code', null, `import taskdash

with taskdash.connect("taskdash://${location.hostname}:13920") as dash:
    dash.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter")
    ...`))));
      return;
    }
    fill(body, h('ul.services', null, rows.map(row)));
  });

  function row(one) {
    return h('li', null,
      h(`span.state.${one.state}`, null, h(`span.dot.${one.state}`), t(`service.${one.state}`)),
      h('span.who', null, h('strong', null, one.name || one.url), h('small', null, `${one.url}${one.group_id ? ` · ${one.group_id}` : ''}`)),
      h('span', null, t('services.since'), ' ', since(one.since)),
      strip({ ...one, changes: days.get(one.url) ?? [] }),
      h('a', { href: link('list', '', new URLSearchParams({ url: one.url })) }, t('services.tasks')));
  }

  // Events tell only the present state of a service: its changes over the last day must be read.
  async function read() {
    try {
      const { services } = await ask('Services');
      days = new Map(services.map((one) => [one.url, one.changes]));
      if (live) paint();
    } catch (error) { if (live) explain(error); }
  }

  const readSoon = later(500, read);
  const offs = [on('services', () => { paint(); readSoon(); })];
  const timer = setInterval(paint, 60000);
  paint();
  read();
  return () => { live = false; clearInterval(timer); offs.forEach((off) => off()); };
}

/** Draw the states of a service over the last day; the time before it was first seen is drawn as unknown. */
function strip(one) {
  const end = now(), start = end - DAY;
  const said = one.changes.map(([at, state]) => `${when(at)} ${t(`service.${state}`)}`).join('\n');
  const parts = one.changes.map(([at, state], n) => {
    const from = Math.max(start, Date.parse(at)), to = n + 1 < one.changes.length ? Date.parse(one.changes[n + 1][0]) : end;
    return to > start ? s('rect', { x: ((from - start) / DAY) * 480, width: Math.max(1, ((to - from) / DAY) * 480), y: 0, height: 20, class: state }) : null;
  });
  return s('svg', { class: 'strip', viewBox: '0 0 480 20', preserveAspectRatio: 'none', role: 'img', 'aria-label': t('services.strip', { name: one.name || one.url, state: t(`service.${one.state}`), ago: ago(one.since, end) }) },
    s('title', {}, said), s('rect', { x: 0, y: 0, width: 480, height: 20, class: 'unknown' }), parts);
}
