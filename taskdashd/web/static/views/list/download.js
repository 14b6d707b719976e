// The list as a file for a spreadsheet, read by the list's own query: what the person sees.

import { lineOf } from '../../rules/cells.js';

/** @typedef {import('../../parts/page').Page<any>} Page */

const FIELDS = [
  ...['id', 'name', 'status', 'user', 'checker', 'group_id', 'project_id', 'instance_id'],
  ...['task_type', 'parent_id', 'progress', 'description', 'reason', 'url', 'created_at'],
  ...['updated_at', 'start_time', 'stop_time', 'claimed_at', 'claim_until', 'submitted_by'],
  'checked_at',
];
const KEPT_MS = 60_000;

/**
 * Save all that a query selects.
 * @param {Page} page
 * @param {import('../../wire/types').Requests['Query']} request
 * @param {(count: number) => void} tell is told how many there are so far
 */
export async function save(page, request, tell) {
  // Without a byte order mark Excel does not read the file as UTF-8, and Chinese is garbled.
  const parts = ['\ufeff', lineOf(FIELDS)];
  let after = null;
  let count = 0;
  do {
    const asked = { ...request, order: 'id', ...(after !== null && { after }) };
    /** @type {import('../../wire/types').Reply} */
    const found = await page.ask('Query', asked);
    for (const task of found.tasks) {
      parts.push(lineOf(FIELDS.map((name) => task[name])));
    }
    count += found.tasks.length;
    after = found.next;
    tell(count);
  } while (after !== null && !page.signal.aborted);
  const file = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
  const download = `tasks-${new Date().toISOString().slice(0, 10)}.csv`;
  Object.assign(document.createElement('a'), { href: file, download }).click();
  setTimeout(() => URL.revokeObjectURL(file), KEPT_MS);
}
