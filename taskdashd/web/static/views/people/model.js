// Who has how much: pure.

import { COLUMNS, heldIn } from '../../rules/states.js';

/**
 * @typedef {import('../../wire/types').Known} Known
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {{
 *   person: Person,
 *   load: readonly (readonly [state: string, count: number])[],
 *   held: number,
 *   isFull: boolean,
 *   isFree: boolean,
 * }} Row `held` is what somebody has to do; `isFull` says that it is far more than others have
 */

/** @type {readonly (readonly [status: string, state: string])[]} */
export const LOADS = [
  ['编辑中', 'editing'],
  ['已领取', 'claimed'],
  ['待审核', 'review'],
];
/** The statuses of what somebody holds or is to check. */
export const WORK = COLUMNS.filter(({ key }) => LOADS.some(([, state]) => state === key)).flatMap(
  ({ where }) => where.status,
);
const FULL_FROM = 4;

/**
 * Give a row for each person, who has most first.
 * @param {Known} known
 * @param {(one: string, other: string) => number} collate
 * @returns {{ rows: Row[], most: number, free: number }} `most` is the longest load
 */
export function rowsOf(known, collate) {
  const loads = known.figures?.load ?? {};
  const free = known.figures?.states['待领取'] ?? 0;
  const all = [...known.people.values()].map((person) => {
    const counts = loads[person.user] ?? {};
    const load = LOADS.map(
      ([status, state]) => /** @type {const} */ ([state, counts[status] ?? 0]),
    );
    return { person, load, held: heldIn(counts) };
  });
  const held = all
    .filter((one) => one.person.active)
    .map((one) => one.held)
    .sort((one, other) => one - other);
  const middle = held[Math.floor(held.length / 2)] ?? 0;
  const rows = all.map((one) => ({
    ...one,
    isFull: one.held >= FULL_FROM && one.held > 2 * middle,
    isFree: one.person.active && one.held === 0 && free > 0,
  }));
  rows.sort((one, other) => other.held - one.held || collate(one.person.name, other.person.name));
  const most = Math.max(1, ...rows.map((one) => sum(one.load.map(([, count]) => count))));
  return { rows, most, free };
}

/** @param {readonly number[]} counts */
const sum = (counts) => counts.reduce((all, one) => all + one, 0);
