// How a task stands, in a word and a colour; and how far it is.

import { h } from '../core/elements.js';
import { progressOf, stateOf } from '../rules/states.js';
import { t } from './words.js';

/** @param {string} status */
export function badge(status) {
  const state = stateOf(status);
  const said = state === 'live' ? status || t('state.live') : t(`state.${state}`);
  return h(`span.badge.${state}`, null, said);
}

/** @param {string} state */
export const dot = (state) => h(`span.dot.${state}`);

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
