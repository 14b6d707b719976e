// What waits for whoever looks: what of it is new, and which changes may have changed it. Pure.

import { isToCheck } from './acts.js';

/**
 * @typedef {import('../wire/types').Waiting} Waiting
 * @typedef {import('../wire/types').Entry} Entry
 * @typedef {import('../wire/types').Me} Me
 * @typedef {import('../wire/types').TaskEvent} TaskEvent
 */

/** @param {Waiting} waiting @returns {Entry[]} */
const entriesOf = ({ now, queue, to_answer, returned }) => [
  ...now,
  ...queue,
  ...to_answer,
  ...returned,
];

/**
 * Whether a change may have changed what waits for somebody: it is of a task that waits for them,
 * or that does so from now on.
 * @param {TaskEvent} event
 * @param {Me} me
 * @param {Waiting | null} waiting
 */
export const concerns = ({ task }, me, waiting) =>
  [task.user, task.checker].includes(me.user) ||
  isToCheck(task, me) ||
  (waiting !== null && entriesOf(waiting).some((one) => one.id === task.id));

/**
 * Give what others did since `before` was read.
 * @param {Waiting | null} before
 * @param {Waiting} after
 */
export function arrived(before, after) {
  const last = before?.returned.at(-1)?.rev ?? 0;
  return before ? after.returned.filter((one) => one.rev > last) : [];
}

/**
 * Say how much waits, as it stands before a title; nothing where nothing does.
 * @param {Waiting | null} waiting
 */
export function numberOf(waiting) {
  const { all, more } = waiting?.counts ?? { all: 0, more: false };
  return all ? `${all}${more ? '+' : ''}` : '';
}
