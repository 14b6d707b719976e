// The list as a file for a spreadsheet, read by the list's own query: the file holds the tasks that the person sees.

import { ask } from './feed.js';

const FIELDS = ['id', 'name', 'status', 'user', 'checker', 'group_id', 'project_id', 'instance_id', 'task_type', 'parent_id', 'progress', 'description', 'reason',
  'url', 'created_at', 'updated_at', 'start_time', 'stop_time', 'claimed_at', 'claim_until', 'submitted_by', 'checked_at'];
const PAGE = 1000;
// Where a text would be a formula (OWASP, "CSV Injection"): behind what any program splits at, past what it may drop there.
// As in tools/taskdash_ctl/cells.py; protocol/vectors/cells.json binds both.
const BEGINS = /([;,|\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029])(?='*[ "\xa0\xad\u1680\u180e\u2000-\u200f\u202a-\u202f\u205f-\u206f\u2800\u3000\ufe00-\ufe0f\ufeff]*[=+\-@|\u207a-\u207c\u208a-\u208c\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20\uff5c])/g;

/** Put ' before whatever would be a formula. */
export const guarded = (text) => `;${text}`.replace(BEGINS, "$1'").slice(1);

/** Write a cell: in quotes, and guarded. */
export function cell(value) {
  const text = value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  return `"${(typeof value === 'number' ? text : guarded(text)).replaceAll('"', '""')}"`;
}

const line = (cells) => `${cells.join(',')}\r\n`;

/** Save all that a query selects; `tell` is told how many there are so far, and says whether to go on. */
export async function download(request, tell) {
  // Without a byte order mark Excel does not read the file as UTF-8, and Chinese is garbled.
  const parts = ['\ufeff', line(FIELDS.map(cell))];
  let after, count = 0;
  do {
    const page = await ask('Query', { ...request, order: 'id', limit: PAGE, ...(after && { after }) });
    parts.push(page.tasks.map((task) => line(FIELDS.map((name) => cell(task[name])))).join(''));
    count += page.tasks.length;
    after = page.next;
    if (!tell(count)) return;
  } while (after);
  const file = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
  const anchor = Object.assign(document.createElement('a'), { href: file, download: `tasks-${new Date().toISOString().slice(0, 10)}.csv` });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(file), 60000);
}
