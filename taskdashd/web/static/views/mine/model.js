// What waits for whoever looks, in sections: pure. Each task stands in one of them.

import { written } from '../../core/json.js';

/**
 * @typedef {import('../../wire/types').Entry} Entry
 * @typedef {import('../../wire/types').Waiting} Waiting
 * @typedef {'sent-back' | 'check' | 'given' | 'gone' | 'editing' | 'claimed'} Kind
 * @typedef {{ key: Kind, entries: readonly Entry[], more: number }} Part `more` are not shown
 * @typedef {{ parts: readonly Part[], isRead: boolean }} Model
 */

/** @type {Model} */
export const nothing = { parts: [], isRead: false };

const GONE = ['freed', 'passed-on', 'cancelled'];

/** @param {string} why @returns {(one: Entry) => boolean} */
const because = (why) => (one) => one.why[0] === why;

/**
 * Put what waits into sections: first what others wait for, then what is new, then what one has.
 * What was shown before stays where it is, so that it can be aimed at; what comes is put behind.
 * @param {Waiting} waiting
 * @param {Model} before
 * @returns {Model}
 */
export function partsOf({ now, queue, to_answer, returned, counts }, before) {
  const toCheck = new Set(to_answer.map((one) => one.id));
  const came = returned.filter((one) => !toCheck.has(one.id));
  /** @type {[Kind, Entry[], Entry[], string][]} */
  const all = [
    ['sent-back', came.filter(because('sent-back')), came, ''],
    ['check', to_answer, to_answer, 'to_answer'],
    ['given', came.filter(because('given')), came, ''],
    ['gone', came.filter((one) => GONE.includes(one.why[0])), came, ''],
    ['editing', now, now, 'now'],
    ['claimed', queue, queue, 'queue'],
  ];
  const above = new Set(came.map((one) => one.id));
  const parts = all.map(([key, wanted, read, section]) => {
    const isOwn = ['editing', 'claimed'].includes(key);
    const entries = isOwn ? wanted.filter((one) => !above.has(one.id)) : wanted;
    const old = before.parts.find((one) => one.key === key)?.entries ?? [];
    const more = section ? Number(counts[section]) - read.length : 0;
    return { key, entries: kept(old, entries), more };
  });
  return { parts: parts.filter(({ entries }) => entries.length > 0), isRead: true };
}

/**
 * Put entries in order: those of before as they were, and behind them the others.
 * @param {readonly Entry[]} old
 * @param {readonly Entry[]} entries
 */
function kept(old, entries) {
  const places = new Map(old.map((one, n) => [one.id, n]));
  const place = (/** @type {Entry} */ one) => places.get(one.id) ?? old.length;
  const same = new Map(old.map((one) => [one.id, one]));
  return entries
    .map((one) => (isSame(same.get(one.id), one) ? /** @type {Entry} */ (same.get(one.id)) : one))
    .sort((one, other) => place(one) - place(other));
}

/** @param {Entry | undefined} one @param {Entry} other */
const isSame = (one, other) => written(one) === written(other);

/** Give the rev up to which all is seen that is shown. @param {Waiting | null} waiting */
export const seenTo = (waiting) => waiting?.returned.at(-1)?.rev ?? null;

/** Give the task that a card shows. @param {Model} model @param {string} id */
export const taskIn = ({ parts }, id) =>
  parts.flatMap(({ entries }) => entries).find((one) => one.id === id && one.status) ?? null;
