// How services fared: pure.

/**
 * @typedef {import('../../wire/types').Service} Service
 * @typedef {readonly (readonly [at: string, state: string])[]} Changes
 * @typedef {{ from: number, to: number, state: string }} Part milliseconds since the day began
 */

export const DAY_MS = 86_400_000;

/** What needs looking at comes first. @type {Record<string, number>} */
const RANK = { dead: 0, late: 1, alive: 2 };

/**
 * Order services: the dead first.
 * @param {readonly Service[]} services
 * @param {(one: string, other: string) => number} collate
 */
export function sorted(services, collate) {
  const called = (/** @type {Service} */ one) => one.name || one.url;
  return [...services].sort(
    (one, other) => RANK[one.state] - RANK[other.state] || collate(called(one), called(other)),
  );
}

/**
 * Give what a service was over the day that ends now, part by part.
 * @param {Changes} changes the oldest first
 * @param {number} end milliseconds since the epoch
 * @returns {Part[]}
 */
export function partsOf(changes, end) {
  const start = end - DAY_MS;
  return changes.flatMap(([at, state], n) => {
    const next = changes[n + 1];
    const from = Math.max(start, Date.parse(at));
    const to = next ? Date.parse(next[0]) : end;
    return to > start ? [{ from: from - start, to: to - start, state }] : [];
  });
}
