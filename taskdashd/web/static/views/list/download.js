// The list as a file for a spreadsheet, read by the list's own query: what the person sees.

import { cleaned } from '../../core/cleaned.js';
import { collate } from '../../parts/words.js';
import { lineOf } from '../../rules/cells.js';
import { nameOf } from '../../wire/known.js';
import { byCode, comparing, shownPlace, storedPlace } from './order.js';

/**
 * @typedef {import('../../parts/page').Page<import('./model').Model>} Page
 * @typedef {import('../../wire/types').Task} Task
 */

const FIELDS = [
  ...['id', 'name', 'status', 'user', 'checker', 'group_id', 'project_id', 'instance_id'],
  ...['task_type', 'parent_id', 'progress', 'description', 'reason', 'url', 'created_at'],
  ...['updated_at', 'start_time', 'stop_time', 'claimed_at', 'claim_until', 'submitted_by'],
  'checked_at',
];
/** The fields that hold a person's number: the name stands beside it. */
const PEOPLE = ['user', 'checker', 'submitted_by'];
const HEADS = FIELDS.flatMap((name) => (PEOPLE.includes(name) ? [name, `${name}_name`] : [name]));
/** Tasks in one request for names. */
const NAMED_MAX = 500;
const KEPT_MS = 60_000;

/**
 * Save all that a query selects, in the order of the list.
 * @param {Page} page
 * @param {import('../../wire/types').Requests['Query']} request
 * @param {(count: number) => void} tell is told how many there are so far
 */
export async function save(page, request, tell) {
  const { order, isWhole } = page.model;
  const names = new Map();
  const name = (/** @type {string} */ user) => names.get(user) ?? nameOf(page.known, user);
  /** @type {(import('./order').Placed & { line: string })[]} */
  const lines = [];
  let after = null;
  do {
    // By their ids none is missed and none comes twice, though tasks change meanwhile.
    const asked = { ...request, order: 'id', ...(after !== null && { after }) };
    /** @type {import('../../wire/types').Reply} */
    const found = await page.ask('Query', asked);
    await learn(found.tasks, page, names);
    for (const task of found.tasks) {
      const place = isWhole ? shownPlace(task, order, name) : storedPlace(task, order);
      lines.push({ ...place, line: lineOf(cellsOf(task, name)) });
    }
    after = found.next;
    tell(lines.length);
  } while (after !== null && !page.signal.aborted);
  lines.sort(comparing(order, isWhole ? collate : byCode));
  // Without a byte order mark Excel does not read the file as UTF-8, and Chinese is garbled.
  const parts = ['\ufeff', lineOf(HEADS), ...lines.map(({ line }) => line)];
  const file = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
  const download = `tasks-${dayOf(new Date())}.csv`;
  Object.assign(document.createElement('a'), { href: file, download }).click();
  setTimeout(() => URL.revokeObjectURL(file), KEPT_MS);
}

/**
 * Learn the names of those whom tasks name and the page does not know: the file has what a screen
 * that showed all of them would say.
 * @param {readonly Task[]} tasks
 * @param {Page} page
 * @param {Map<string, string>} names by number; of somebody without an account it is the number
 */
async function learn(tasks, page, names) {
  const { people, names: known } = page.known;
  const isNew = (/** @type {unknown} */ user) =>
    typeof user === 'string' && user !== '' && ![people, known, names].some((one) => one.has(user));
  /** @type {string[]} */
  const ids = [];
  for (const task of tasks) {
    const fresh = PEOPLE.map((name) => task[name]).filter(isNew);
    if (fresh.length > 0) {
      ids.push(task.id);
      fresh.forEach((user) => names.set(String(user), String(user)));
    }
  }
  for (let n = 0; n < ids.length; n += NAMED_MAX) {
    const found = await page.ask('Names', { ids: ids.slice(n, n + NAMED_MAX) });
    Object.entries(found.names).forEach(([user, called]) => names.set(user, called));
  }
}

/** @param {Task} task @param {(user: string) => string} nameFor */
const cellsOf = (task, nameFor) =>
  FIELDS.flatMap((name) => {
    const value = task[name];
    const cell = typeof value === 'string' ? cleaned(value) : value;
    const called = nameFor(String(value ?? ''));
    return PEOPLE.includes(name) ? [cell, called === value ? '' : called] : [cell];
  });

/** Give the day of the calendar on the reader's wall. @param {Date} at */
const dayOf = (at) =>
  [at.getFullYear(), at.getMonth() + 1, at.getDate()]
    .map((one) => String(one).padStart(2, '0'))
    .join('-');
