// The day in pictures.

import { h } from '../../core/elements.js';
import { dot } from '../../parts/badge.js';
import { number, span, t } from '../../parts/words.js';
import { nameOf } from '../../wire/known.js';
import { areas, bars } from './charts.js';
import { LEVELS, loads, total } from './model.js';
import { table } from './table.js';

/**
 * @typedef {import('../../core/types').Children} Children
 * @typedef {import('../../wire/types').Known} Known
 * @typedef {import('../../wire/types').Figures} Figures
 */

/** @type {import('../../parts/page').View<null>} */
export const view = {
  start: () => null,

  async read(page) {
    await page.ask('Figures', {});
  },

  paint({ known }) {
    const { figures } = known;
    return [
      h('div.viewhead', null, h('h1', null, t('view.day')), h('p', null, t('day.about'))),
      h('div.charts', null, figures && content(known, figures)),
    ];
  },
};

/** @param {Known} known @param {Figures} figures */
const content = (known, figures) => [
  tiles(figures),
  pictures(figures),
  people(known, figures),
  table(figures.day),
];

/** @param {Figures} figures */
function tiles({ claim_s, finish_s, day }) {
  const tile = (/** @type {string} */ name, /** @type {string} */ value) =>
    h('div.tile', null, h('strong', null, value), h('span', null, t(`day.${name}`)));
  return h(
    'div.tiles.small',
    null,
    tile('claim', span(claim_s)),
    tile('finish', span(finish_s)),
    tile('finished', number(total(day, 'finished'))),
    tile('died', number(total(day, 'died'))),
  );
}

/** @param {Figures} figures */
function pictures({ day }) {
  const levels = LEVELS.map(([, state]) => [t(`state.${state}`), state]);
  return [
    chart(t('day.levels'), areas(t('day.levels'), day), levels),
    pairs('day.deaths', day, [
      ['died', 'dead'],
      ['recovered', 'live'],
    ]),
    pairs('day.work', day, [
      ['claimed', 'claimed'],
      ['finished', 'done'],
    ]),
  ];
}

/**
 * @param {string} title
 * @param {Figures['day']} day
 * @param {[kind: string, state: string][]} kinds
 */
function pairs(title, day, kinds) {
  const legend = kinds.map(([kind, state]) => [t(`day.${kind}`), state]);
  return chart(t(title), bars(t(title), day, kinds), legend);
}

/** @param {string} title @param {Children} picture @param {string[][]} legend */
function chart(title, picture, legend) {
  const entries = legend.map(([said, state]) => h('span', null, dot(state), said));
  return h(
    'figure.panel',
    null,
    h('figcaption', null, title),
    picture,
    h('p.legend', null, entries),
  );
}

/** @param {Known} known @param {Figures} figures */
function people(known, figures) {
  const held = loads(figures);
  const line = (/** @type {[string, number]} */ [user, count]) =>
    h(
      'li',
      { key: user },
      h('span', null, nameOf(known, user)),
      h('span.editing', { style: { '--share': count / held[0][1] } }),
      h('span', null, number(count)),
    );
  return h(
    'figure.panel',
    null,
    h('figcaption', null, t('day.load')),
    held.length > 0
      ? h('ul.loads', null, held.map(line))
      : h('p.nothing', null, t('day.load.none')),
  );
}
