// Which columns are in sight, as the URL says it: pure.

import { COLUMNS } from '../../rules/states.js';

/** @typedef {import('./model').Model} Model */

/** The column that a narrow screen shows where the URL says nothing. */
export const FIRST = 'free';

/**
 * Whether a column is left out: a rare one is, while it has no tasks.
 * @param {import('../../rules/states').Column} column
 * @param {Model} model
 */
export const isLeftOut = ({ key, isRare }, model) =>
  Boolean(isRare) && model.columns[key].tasks.size === 0;

/**
 * Give the column that a narrow screen shows.
 * @param {URLSearchParams} filters
 * @param {Model} model
 */
export function chosenIn(filters, model) {
  const wanted = filters.get('column');
  const one = COLUMNS.find(({ key }) => key === wanted);
  return one && !isLeftOut(one, model) ? one.key : FIRST;
}

/**
 * Give the columns that are folded.
 * @param {URLSearchParams} filters
 * @returns {ReadonlySet<string>}
 */
export function foldedIn(filters) {
  const wanted = (filters.get('folded') ?? '').split(',');
  return new Set(COLUMNS.map(({ key }) => key).filter((key) => wanted.includes(key)));
}

/**
 * Give what the URL says once a column is folded, or is so no more.
 * @param {URLSearchParams} filters
 * @param {string} key
 */
export function foldedWith(filters, key) {
  const folded = new Set(foldedIn(filters));
  folded.delete(key) || folded.add(key);
  return COLUMNS.flatMap((one) => (folded.has(one.key) ? one.key : [])).join(',');
}
