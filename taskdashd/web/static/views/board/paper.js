// The board as it is printed: whole columns.

import { COLUMNS } from '../../rules/states.js';
import { showing } from './model.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 */

/** What is done may be any number. */
const PRINTED_MAX = 1000;

/** Whether columns show less than there is. @param {Model} model */
export const isPart = ({ columns }) =>
  Object.values(columns).some(({ hasMore, tasks, shown }) => hasMore || tasks.size > shown);

/**
 * Have all columns show all, until it was printed.
 * @param {Page} page
 * @param {() => Promise<void>} read reads the columns
 */
export async function readWhole(page, read) {
  const { columns } = page.model;
  const show = (/** @type {(key: string) => number} */ count) =>
    page.update((model) =>
      COLUMNS.reduce((made, { key }) => showing(made, key, count(key)), model),
    );
  const restore = () => show((key) => columns[key].shown);
  addEventListener('afterprint', restore, { once: true, signal: page.signal });
  show(() => PRINTED_MAX);
  await read();
}
