// How a task stands, in a word and a colour; and how far it is.

import { h } from '../core/elements.js';
import { progressOf, stateOf } from '../rules/states.js';
import { statusName } from './reasons.js';
import { t } from './words.js';

/** @param {string} status */
export function badge(status) {
  return h(`span.badge.${stateOf(status)}`, null, statusName(status) || t('state.live'));
}

/** @param {string} state */
export const dot = (state) => h(`span.dot.${state}`);

/** What says that a task is selected. */
export const pickedMark = () => h('span.tick', { role: 'img', 'aria-label': t('picked.one') }, '✓');

/** @param {import('../wire/types').Task} task */
export function progress(task) {
  const share = progressOf(task);
  if (share === null) {
    return null;
  }
  const props = {
    role: 'progressbar',
    'aria-valuenow': Math.round(share * 100),
    'aria-valuemin': 0,
    'aria-valuemax': 100,
    'aria-label': t('field.progress'),
  };
  return h('span.progress', props, h('span', { style: { '--share': share } }));
}
