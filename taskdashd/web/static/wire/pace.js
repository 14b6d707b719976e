// How long the daemon may be silent, a request unanswered, and the connection untried: pure.

/** Nothing heard for so long, and the connection counts as lost. */
export const SILENT_MS = 15_000;
/** After so long without an answer it is not known whether an act was done. */
export const ACT_MS = 5_000;
/** After so long without an answer a read is given up. */
export const READ_MS = 30_000;
/** After so long a connection that does not open is given up. */
export const OPENING_MS = 4_000;
const FIRST_PAUSE_MS = 250;
const PAUSE_MS_MAX = 4_000;

/**
 * A moment, by the wall's clock and by one that only goes on.
 * @typedef {{ wall: number, steady: number }} Moment
 */

/** @returns {Moment} */
export const present = () => ({ wall: Date.now(), steady: performance.now() });

/**
 * Give the milliseconds between two moments. The wall's clock may be set back, and the steady one
 * stands still on some machines while they sleep: the one that says more is right.
 * @param {Moment} from
 * @param {Moment} to
 */
export const between = (from, to) => Math.max(to.wall - from.wall, to.steady - from.steady);

/**
 * Give how long to wait before the connection is tried again: longer after each try in vain, and
 * different for each page, or all would come back at once. With the time that a try takes, there
 * are never more than five seconds between the beginnings of two.
 * @param {number} tries those in vain so far
 * @param {number} spent_ms since the last try began
 * @param {number} chance 0 to 1
 */
export function pauseAfter(tries, spent_ms, chance) {
  const share = (1 + chance) / 2;
  const wanted_ms = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** tries) * share;
  return Math.max(FIRST_PAUSE_MS * share, wanted_ms - spent_ms);
}
