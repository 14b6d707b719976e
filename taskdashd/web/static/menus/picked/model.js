// What can be done with several tasks: pure.

import { actsFor, mayLabel } from '../../rules/acts.js';
import { labelsOf } from '../../rules/filters.js';
import { whole } from '../../rules/folding.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').Me} Me
 * @typedef {import('../../rules/acts').Act} Act
 */

/**
 * What is done with many: not what needs a look at each task, such as to approve it.
 * @type {readonly Act[]}
 */
const OF_MANY = ['claim', 'release', 'assign', 'acknowledge', 'dismiss'];

/**
 * Give the acts that one may try with each of some tasks.
 * @param {readonly Task[]} tasks
 * @param {Me | null} me
 */
export function actsForAll(tasks, me) {
  const each = tasks.map((task) => actsFor(task, me));
  return OF_MANY.filter((act) => each.every((acts) => acts.includes(act)));
}

/**
 * Whether one may label each of some tasks.
 * @param {readonly Task[]} tasks
 * @param {Me | null} me
 */
export const mayLabelAll = (tasks, me) => tasks.every((task) => mayLabel(task, me));

/**
 * Give the labels that any of some tasks has; of those that are equal, one.
 * @param {readonly Task[]} tasks
 */
export function labelsOfAny(tasks) {
  const labels = tasks.flatMap(labelsOf).map((one) => /** @type {const} */ ([whole(one), one]));
  return [...new Map(labels).values()];
}
