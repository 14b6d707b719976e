// The states of tasks as people see them: pure.

import { STATES } from './claims.js';

/** @typedef {import('../wire/types').Task} Task */

/** @type {Record<string, string>} the page's state for each status that is not a running task's */
const NAMES = {
  待领取: 'free',
  已领取: 'claimed',
  编辑中: 'editing',
  待审核: 'review',
  草稿: 'waits',
  待批准: 'waits',
  待触发: 'waits',
  待执行: 'waits',
  finish: 'done',
  finished: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  shutdown: 'dead',
};

const PRIORITY = 5;

const statuses = Object.entries(/** @type {Record<string, string>} */ (STATES));
const NOT_READY = Object.keys(NAMES).filter((status) => NAMES[status] === 'waits');

/** @param {string} state @returns {string[]} every status that stands for it */
const spellings = (state) => statuses.filter(([, one]) => one === state).map(([status]) => status);

/**
 * A column of the board: the tasks of a state.
 * @typedef {{
 *   key: string,
 *   where: Record<string, string[]>,
 *   shown?: Record<string, string[]>,
 *   counted?: Record<string, string[]>,
 *   counts: string[],
 *   isRare?: boolean,
 * }} Column `shown` and `counted` say which of them have a card, and which count, where these are
 *   not all; `counts` are its names in the daemon's figures; a rare one is shown only with tasks
 */

/** @type {readonly Column[]} */
export const COLUMNS = [
  { key: 'waits', where: { status: NOT_READY }, counts: NOT_READY, isRare: true },
  { key: 'free', where: { status: spellings('待领取') }, counts: ['待领取'] },
  { key: 'claimed', where: { status: ['已领取'] }, counts: ['已领取'] },
  { key: 'editing', where: { status: ['编辑中'] }, counts: ['编辑中'] },
  { key: 'review', where: { status: spellings('待审核') }, counts: ['待审核'] },
  { key: 'live', where: { class: ['live'] }, counts: ['live'] },
  // What somebody has acknowledged counts as that, and not as dead.
  {
    key: 'dead',
    where: { status: ['shutdown', 'failed'] },
    shown: { acknowledged: ['no', 'seen'] },
    counted: { acknowledged: ['no'] },
    counts: ['shutdown', 'failed'],
  },
  {
    key: 'done',
    where: { status: ['finish', 'finished', 'cancelled'] },
    counts: ['finish', 'cancelled'],
  },
];

/** Give the state of a status. @param {string} status */
export function stateOf(status) {
  const known = /** @type {Record<string, string>} */ (STATES)[status];
  return NAMES[known ?? status] ?? 'live';
}

/** Whether somebody works on a task of a status. @param {string} status */
export const isHeld = (status) => ['claimed', 'editing'].includes(stateOf(status));

/** Count the tasks that somebody works on. @param {Record<string, number>} counts by status */
export const heldIn = (counts) =>
  Object.entries(counts).reduce((all, [status, count]) => all + (isHeld(status) ? count : 0), 0);

/** Give the key of the column that a task is in. @param {Task} task */
export function columnOf(task) {
  const state = stateOf(task.status);
  return state === 'failed' ? 'dead' : state === 'cancelled' ? 'done' : state;
}

/**
 * Give a task's priority, 0 to 9, of which 9 comes first; null where it says no such.
 * @param {Task} task
 */
export function priorityOf({ priority }) {
  const isOne = typeof priority === 'number' && Number.isInteger(priority);
  return isOne && priority >= 0 && priority <= 9 ? priority : null;
}

/** Give the priority that counts, also for a task that has none. @param {Task} task */
export const urgency = (task) => priorityOf(task) ?? PRIORITY;

/**
 * Give how far a task is, 0 to 1, by its field `progress`: 3/7 or 40%. Null where it says no such.
 * @param {Task} task
 */
export function progressOf(task) {
  const match = /^([\d.]+)\s*(?:\/\s*([\d.]+)|%)$/.exec(task.progress ?? '');
  if (!match) {
    return null;
  }
  const share = Number(match[1]) / (match[2] ? Number(match[2]) : 100);
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : null;
}
