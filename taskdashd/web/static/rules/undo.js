// The way back from an act: pure. Only what restores a task as it was is a way back; what cannot be
// taken back by whoever did it has none.

import { stepsFrom } from './acts.js';
import { STATES } from './claims.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Me} Me
 * @typedef {import('./acts').Act} Act
 * @typedef {{ act: Act, more: Record<string, string | number> }} Back an act, and what it is given
 */

const WORD_MAX = 500;

/** @param {Task} task */
const stateFor = (task) => /** @type {Record<string, string>} */ (STATES)[task.status];

/**
 * Give the acts that bring a task back to how it was, one after another; none where there is no
 * way.
 * @param {Task} before
 * @param {Task} after
 * @param {Me | null} me
 * @param {number} at the daemon's time, in milliseconds
 * @returns {Back[]}
 */
export function wayBack(before, after, me, at) {
  const way = me ? wayOf(before, after, me, at) : [];
  // Walk it by the table: what the daemon would refuse is not offered.
  let task = after;
  for (const { act, more } of way) {
    const step = stepsFrom(task, me).find((one) => one.act === act);
    if (!step) {
      return [];
    }
    const holders = { claim: me?.user ?? '', assign: String(more.to), release: '' };
    const user = holders[/** @type {keyof typeof holders} */ (act)] ?? task.user;
    task = { ...task, status: step.to, user };
  }
  const isBack = stateFor(task) === stateFor(before) && task.user === before.user;
  return isBack ? way : [];
}

/**
 * @param {Task} before
 * @param {Task} after
 * @param {Me} me
 * @param {number} at
 * @returns {Back[]}
 */
function wayOf(before, after, me, at) {
  const left_s = before.claim_until ? (Date.parse(before.claim_until) - at) / 1000 : null;
  if (left_s !== null && left_s < 1) {
    return [];
  }
  /** @type {Record<string, string | number>} */
  const limit = left_s === null ? {} : { limit: left_s };
  /** @type {Record<string, string | number>} */
  const word = before.reason ? { word: before.reason.slice(0, WORD_MAX) } : {};
  if (!before.user) {
    return [{ act: 'release', more: word }];
  }
  const isMine = before.user === me.user;
  /** @type {Back} */
  const first =
    isMine && !after.user
      ? { act: 'claim', more: limit }
      : { act: 'assign', more: { to: before.user, ...limit, ...word } };
  // Whether somebody has begun is theirs to say.
  const isBegun = stateFor(before) === '编辑中';
  return isBegun && isMine ? [first, { act: 'begin', more: {} }] : [first];
}
