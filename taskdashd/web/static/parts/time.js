// Times that say how long ago they are, and keep on saying it.

import { h } from '../core/elements.js';
import { ago, lasting, left, when } from './words.js';

/**
 * Make an element that says how long ago a time is.
 * @param {string} stamp RFC 3339
 * @param {number} at the daemon's time, in milliseconds
 */
export const since = (stamp, at) =>
  h('time', { datetime: stamp, title: when(stamp), dataset: { since: stamp } }, ago(stamp, at));

/**
 * Make an element that says how much time is left of a claim.
 * @param {string} stamp RFC 3339
 * @param {number} at the daemon's time, in milliseconds
 */
export const timeLeft = (stamp, at) =>
  h(
    'time.left',
    { datetime: stamp, title: when(stamp), dataset: { until: stamp } },
    left(stamp, at),
  );

/**
 * Make an element that says for how long something has been as it is.
 * @param {string} stamp RFC 3339: since when
 * @param {number} at the daemon's time, in milliseconds
 */
export const forHowLong = (stamp, at) =>
  h(
    'time',
    { datetime: stamp, title: when(stamp), dataset: { lasting: stamp } },
    lasting(stamp, at),
  );

/** Words for a time on the page, by the member of its `dataset` that holds it. */
const SAID = Object.entries({ since: ago, until: left, lasting });

/**
 * Bring all ages on the page up to date.
 * @param {number} at the daemon's time, in milliseconds
 */
export function tick(at) {
  for (const [name, say] of SAID) {
    for (const node of document.querySelectorAll(`time[data-${name}]`)) {
      const text = say(/** @type {HTMLElement} */ (node).dataset[name] ?? '', at);
      const shown = node.firstChild;
      if (shown instanceof Text && shown.data !== text) {
        shown.data = text;
      }
    }
  }
}
