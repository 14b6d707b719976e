// The filters of the work: which tasks are shown, as the URL says it.

import { finds, soughtIn } from './finding.js';
import { whole } from './folding.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Me} Me
 * @typedef {{
 *   where: Record<string, string>,
 *   text: string,
 *   sought: import('./finding').Sought,
 * }} Filter `where` and `text` are what the daemon is asked; `sought` what `text` means
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
  label: 'labels',
  answer: 'acknowledged',
};
/** The filters that may say `me` or `nobody`: a group, a project or a label may be called so. */
export const OF_PEOPLE = ['user', 'checker'];
const SHORT = ['me', 'nobody'];
const ANSWERS = ['no', 'seen', 'hidden'];
const LABELS_MAX = 16;
export const LABEL_CHARACTERS_MAX = 32;

/** Whether a filter says whoever looks, or nobody. @param {string} name @param {string} value */
export const isShort = (name, value) => OF_PEOPLE.includes(name) && SHORT.includes(value);

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
    if (value && (name !== 'answer' || ANSWERS.includes(value))) {
      const whose = value === 'me' ? (me?.user ?? '') : '';
      where[field] = isShort(name, value) ? whose : value;
    }
  }
  const text = (filters.get('q') ?? '').trim();
  return { where, text, sought: soughtIn(text) };
}

/**
 * Give the request for a page of the tasks asked for.
 * @param {Filter} filter
 * @param {Readonly<Record<string, string | string[]>>} where what they are besides
 * @param {string} order
 * @param {number} limit
 * @param {string | null} after
 */
export const queryOf = (filter, where, order, limit, after) => ({
  where: { ...where, ...filter.where },
  order,
  limit,
  ...(filter.text && { contains: filter.text }),
  ...(after !== null && { after }),
});

/**
 * Tell whether a task is among those asked for.
 * @param {Task} task
 * @param {Filter} filter
 * @param {(user: string) => string} nameOf
 */
export function matches(task, { where, sought }, nameOf) {
  const fits = Object.entries(where).every(([field, value]) => {
    if (field === 'labels') {
      return hasLabel(task, value);
    }
    return (field === 'acknowledged' ? answerGiven(task) : (task[field] ?? '')) === value;
  });
  return fits && finds(sought, task, nameOf);
}

/**
 * Give whether somebody has answered that a task died, as the daemon is asked for it.
 * @param {Task} task
 */
const answerGiven = ({ acknowledged }) =>
  !acknowledged ? 'no' : acknowledged.hide ? 'hidden' : 'seen';

/** Whether a task has a label. @param {Task} task @param {string} label */
const hasLabel = (task, label) => labelsOf(task).some((one) => whole(one) === whole(label));

/**
 * Give the labels of a task; what is no list of labels counts as none, as it does for the daemon.
 * @param {Task} task
 * @returns {string[]}
 */
export function labelsOf({ labels }) {
  return Array.isArray(labels) && labels.length <= LABELS_MAX && labels.every(isLabel)
    ? labels
    : [];
}

/** @param {unknown} one */
const isLabel = (one) =>
  typeof one === 'string' && [...one].length <= LABEL_CHARACTERS_MAX && whole(one) !== '';

/** Whether a filter lets everything pass. @param {Filter} filter */
export const isAll = ({ where, text }) => !text && Object.keys(where).length === 0;
