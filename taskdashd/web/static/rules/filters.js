// The filters of the work: which tasks are shown, as the URL says it.

import { finds, words } from './folding.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Me} Me
 * @typedef {{
 *   where: Record<string, string>,
 *   text: string,
 *   words: readonly string[],
 * }} Filter `where` and `text` are what the daemon is asked; `words` what `text` is searched by
 */

/** @type {Record<string, string>} the task's field for each filter of the URL */
export const FIELDS = {
  group: 'group_id',
  user: 'user',
  checker: 'checker',
  project: 'project_id',
  type: 'task_type',
  part: 'parent_id',
  url: 'url',
};

/**
 * Give what a URL's filters ask for.
 * @param {URLSearchParams} filters
 * @param {Me | null} me
 * @returns {Filter}
 */
export function filterOf(filters, me) {
  /** @type {Record<string, string>} */
  const where = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = filters.get(name);
    if (value) {
      where[field] = value === 'me' ? (me?.user ?? '') : value === 'nobody' ? '' : value;
    }
  }
  const text = (filters.get('q') ?? '').trim();
  return { where, text, words: words(text) };
}

/**
 * Tell whether a task is among those asked for.
 * @param {Task} task
 * @param {Filter} filter
 * @param {(user: string) => string} nameOf
 */
export function matches(task, { where, words: sought }, nameOf) {
  const fits = Object.entries(where).every(([field, value]) => (task[field] ?? '') === value);
  return fits && finds(sought, task, nameOf);
}

/** Whether a filter lets everything pass. @param {Filter} filter */
export const isAll = ({ where, text }) => !text && Object.keys(where).length === 0;

/** Whether two filters ask for the same. @param {Filter} one @param {Filter} other */
export const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);
