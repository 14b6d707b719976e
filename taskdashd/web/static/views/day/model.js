// The last day in numbers: pure.

import { heldIn } from '../../rules/states.js';

/**
 * @typedef {import('../../wire/types').Figures} Figures
 * @typedef {import('../../wire/types').Bucket} Bucket
 */

/** @type {readonly (readonly [status: string, state: string])[]} */
export const LEVELS = [
  ['live', 'live'],
  ['待领取', 'free'],
  ['已领取', 'claimed'],
  ['编辑中', 'editing'],
  ['待审核', 'review'],
];
/** What happens, in pairs as they are drawn. */
export const EVENTS = ['died', 'recovered', 'claimed', 'finished'];
const LOADS_MAX = 12;

/**
 * @typedef {{ at: number, isCounted: boolean, levels: number[], events: number[] }} Hour as many
 *   tasks of each level as there were last, and how often each thing has happened; nothing is known
 *   of an hour that was not counted
 */

/**
 * Give the hours of a day, the newest first.
 * @param {readonly Bucket[]} day
 * @returns {Hour[]}
 */
export function hours(day) {
  /** @type {Map<number, Hour>} */
  const found = new Map();
  for (const one of day) {
    // By the reader's clock: there are places half an hour off.
    const at = new Date(one.at * 1000).setMinutes(0, 0, 0) / 1000;
    const before = found.get(at);
    const isCounted = Boolean(before?.isCounted || one.tasks);
    const levels =
      one.tasks || !before ? LEVELS.map(([status]) => one.tasks?.[status] ?? 0) : before.levels;
    const events = EVENTS.map((kind, n) => (before?.events[n] ?? 0) + (one.events[kind] ?? 0));
    found.set(at, { at, isCounted, levels, events });
  }
  return [...found.values()].reverse();
}

/** How often something has happened. @param {readonly Bucket[]} day @param {string} kind */
export const total = (day, kind) => day.reduce((all, one) => all + (one.events[kind] ?? 0), 0);

/**
 * Give who has most to do, and how much.
 * @param {Figures} figures
 * @returns {[user: string, held: number][]}
 */
export function loads(figures) {
  /** @type {[string, number][]} */
  const held = Object.entries(figures.load).map(([user, counts]) => [user, heldIn(counts)]);
  return held
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one)
    .slice(0, LOADS_MAX);
}

/** The tasks of a time by state, one upon another. @param {Bucket} one */
export const height = (one) =>
  LEVELS.reduce((all, [status]) => all + (one.tasks?.[status] ?? 0), 0);

/** Give a round number that is no less. @param {number} value */
export function nice(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((one) => one * size).find((one) => one >= value) ?? value;
}
