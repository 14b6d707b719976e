// The orders that a column may be in: pure.

import { COLUMNS, urgency } from '../../rules/states.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {'newest' | 'oldest' | 'priority'} Order
 */

/** The daemon's order for each. @type {Readonly<Record<Order, string>>} */
export const ORDERS = { newest: '-rev', oldest: 'rev', priority: '-priority' };

/**
 * Give the order of each column, as the URL says it; the newest come first where it says nothing.
 * @param {URLSearchParams} filters
 * @returns {Record<string, Order>}
 */
export function ordersOf(filters) {
  const order = (/** @type {string} */ given) => (Object.hasOwn(ORDERS, given) ? given : 'newest');
  const orders = COLUMNS.map(({ key }) => [key, order(filters.get(key) ?? '')]);
  return Object.fromEntries(orders);
}

/**
 * Give tasks with one more that has come, at its place; the same where that is behind the last and
 * the daemon has others that come before it.
 * @param {readonly Task[]} tasks
 * @param {Task} task
 * @param {Order} order
 * @param {boolean} hasMore
 * @returns {readonly Task[]}
 */
export function placed(tasks, task, order, hasMore) {
  if (order === 'newest') {
    return [task, ...tasks];
  }
  const lower = tasks.findIndex((one) => order === 'priority' && urgency(one) < urgency(task));
  const place = lower < 0 ? tasks.length : lower;
  return lower < 0 && hasMore ? tasks : [...tasks.slice(0, place), task, ...tasks.slice(place)];
}

/**
 * Weave what was found into the cards that are there: those stay in their order, and what comes is
 * put behind the card that it follows.
 * @param {readonly Task[]} stay
 * @param {readonly Task[]} found all, in the wanted order
 * @returns {Task[]}
 */
export function woven(stay, found) {
  const there = new Set(stay.map(({ id }) => id));
  /** What follows a card, by its id. @type {Map<string, Task[]>} */
  const behind = new Map([['', []]]);
  let last = '';
  for (const task of found) {
    if (there.has(task.id)) {
      last = task.id;
      behind.set(last, []);
    } else {
      behind.get(last)?.push(task);
    }
  }
  const first = behind.get('') ?? [];
  return [...first, ...stay.flatMap((one) => [one, ...(behind.get(one.id) ?? [])])];
}
