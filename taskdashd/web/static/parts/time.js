// Times that say how long ago they are, and keep on saying it.

import { h } from '../core/elements.js';
import { ago } from './words.js';

/**
 * Make an element that says how long ago a time is.
 * @param {string} stamp RFC 3339
 * @param {number} at the daemon's time, in milliseconds
 */
export const since = (stamp, at) =>
  h('time', { datetime: stamp, title: stamp, dataset: { since: stamp } }, ago(stamp, at));

/**
 * Bring all ages on the page up to date.
 * @param {number} at the daemon's time, in milliseconds
 */
export function tick(at) {
  for (const node of document.querySelectorAll('[data-since]')) {
    const text = ago(/** @type {HTMLElement} */ (node).dataset.since ?? '', at);
    const shown = node.firstChild;
    if (shown instanceof Text && shown.data !== text) {
      shown.data = text;
    }
  }
}
