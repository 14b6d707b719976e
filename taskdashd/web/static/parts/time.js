// Times that say how long ago they are, and keep on saying it.

import { h } from '../core/elements.js';
import { ago, lasting, left, when } from './words.js';

/** What is said of a time, by the member of its element's `dataset` that holds it. */
const SAID = { since: ago, until: left, lasting };

/**
 * @param {keyof typeof SAID} name
 * @param {string} stamp RFC 3339
 * @param {number} at the daemon's time, in milliseconds
 */
const moving = (name, stamp, at) =>
  h(
    name === 'until' ? 'time.left' : 'time',
    { datetime: stamp, title: when(stamp), dataset: { [name]: stamp } },
    SAID[name](stamp, at),
  );

/**
 * Make an element that says how long ago a time is.
 * @param {string} stamp RFC 3339
 * @param {number} at the daemon's time, in milliseconds
 */
export const since = (stamp, at) => moving('since', stamp, at);

/**
 * Make an element that says how much time is left of a claim.
 * @param {string} stamp RFC 3339
 * @param {number} at the daemon's time, in milliseconds
 */
export const timeLeft = (stamp, at) => moving('until', stamp, at);

/**
 * Make an element that says for how long something has been as it is.
 * @param {string} stamp RFC 3339: since when
 * @param {number} at the daemon's time, in milliseconds
 */
export const forHowLong = (stamp, at) => moving('lasting', stamp, at);

/**
 * Bring all ages on the page up to date.
 * @param {number} at the daemon's time, in milliseconds
 */
export function tick(at) {
  for (const [name, say] of Object.entries(SAID)) {
    for (const node of document.querySelectorAll(`time[data-${name}]`)) {
      const text = say(/** @type {HTMLElement} */ (node).dataset[name] ?? '', at);
      const shown = node.firstChild;
      if (shown instanceof Text && shown.data !== text) {
        shown.data = text;
      }
    }
  }
}
