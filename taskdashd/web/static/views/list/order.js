// The order of the list: pure.
//
// The daemon orders texts by their code points, over all pages. A list that one page holds is in
// the order that people know: names by the reader's language, and people by their names.

import { urgency } from '../../rules/states.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {(one: string, other: string) => number} Compare
 * @typedef {{ id: string, key: string | number }} Placed what a task is ordered by
 */

/** The order of UTF-16 is that of code points but for the two halves of those beyond U+FFFF. */
const RANKS = { surrogates: 0xd800, behind: 0xe000, last: 0x2000, moved: 0x800 };

/** @param {number} unit */
const rankOf = (unit) =>
  unit < RANKS.surrogates ? unit : unit + (unit < RANKS.behind ? RANKS.last : -RANKS.moved);

/** Compare texts by their code points. @type {Compare} */
export function byCode(one, other) {
  const end = Math.min(one.length, other.length);
  for (let n = 0; n < end; n++) {
    if (one[n] !== other[n]) {
      return rankOf(one.charCodeAt(n)) - rankOf(other.charCodeAt(n));
    }
  }
  return one.length - other.length;
}

/**
 * Give what compares what tasks are ordered by.
 * @param {string} order as the daemon has it
 * @param {Compare} compare
 * @returns {(one: Placed, other: Placed) => number}
 */
export function comparing(order, compare) {
  const sign = order.startsWith('-') ? -1 : 1;
  return (one, other) => {
    const [a, b] = [one.key, other.key];
    const isNumber = typeof a === 'number' && typeof b === 'number';
    const first = isNumber ? a - b : compare(String(a), String(b));
    return sign * (first || byCode(one.id, other.id));
  };
}

/**
 * Give what a task is ordered by, as the daemon has it.
 * @param {Task} task
 * @param {string} order
 * @returns {Placed}
 */
export function storedPlace(task, order) {
  const field = order.replace('-', '');
  const value = field === 'priority' ? urgency(task) : task[field];
  return { id: task.id, key: typeof value === 'number' ? value : String(value ?? '') };
}

/**
 * Give what a task is ordered by, as it is shown.
 * @param {Task} task
 * @param {string} order
 * @param {(user: string) => string} nameOf
 * @returns {Placed}
 */
export function shownPlace(task, order, nameOf) {
  const { id, key } = storedPlace(task, order);
  const field = order.replace('-', '');
  return { id, key: field === 'user' ? nameOf(String(key)) : field === 'name' ? key || id : key };
}
