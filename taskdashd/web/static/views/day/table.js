// What the charts show, in numbers: for whoever does not see them, or not their colours.

import { h } from '../../core/elements.js';
import { number, t } from '../../parts/words.js';
import { EVENTS, LEVELS, hours } from './model.js';

/** @param {readonly import('../../wire/types').Bucket[]} day */
export function table(day) {
  const head = (/** @type {string} */ text, /** @type {number} */ colspan) =>
    h('th', { scope: 'colgroup', colspan }, text);
  const cell = (/** @type {string} */ text) => h('td', null, text);
  const row = (/** @type {import('./model').Hour} */ { at, isCounted, levels, events }) =>
    h(
      'tr',
      null,
      h('th', { scope: 'row' }, `${new Date(at * 1000).getHours()}:00`),
      [...levels, ...events].map((n) => cell(isCounted ? number(n) : '–')),
    );
  const names = [
    ...LEVELS.map(([, state]) => t(`state.${state}`)),
    ...EVENTS.map((kind) => t(`day.${kind}`)),
  ];
  return h(
    'details.numbers',
    null,
    h('summary', null, t('day.table')),
    h(
      'div',
      { tabindex: 0, role: 'region', 'aria-label': t('day.table') },
      h(
        'table',
        null,
        h(
          'thead',
          null,
          h(
            'tr',
            null,
            h('td'),
            head(t('day.levels'), LEVELS.length),
            ...[head(t('day.deaths'), 2), head(t('day.work'), 2)],
          ),
          h(
            'tr',
            null,
            h('th', { scope: 'col' }, t('day.hour')),
            names.map((one) => h('th', { scope: 'col' }, one)),
          ),
        ),
        h('tbody', null, hours(day).map(row)),
      ),
    ),
  );
}
