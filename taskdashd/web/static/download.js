// The list as a file for a spreadsheet, read by the list's own query: the file holds the tasks that the person sees.

import { ask } from './feed.js';

const FIELDS = ['id', 'name', 'status', 'user', 'checker', 'group_id', 'project_id', 'instance_id', 'task_type', 'parent_id', 'progress', 'description', 'reason',
  'url', 'created_at', 'updated_at', 'start_time', 'stop_time', 'claimed_at', 'claim_until', 'submitted_by', 'checked_at'];
const PAGE = 1000;
// A spreadsheet runs a cell that begins with one of these as a formula (OWASP, "CSV Injection"): put ' before it.
const FORMULA = /^[=+\-@\t\r]/;

function cell(value) {
  let text = value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  if (typeof value === 'string' && FORMULA.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const line = (cells) => `${cells.join(',')}\r\n`;

/** Save all that a query selects; `tell` is told how many there are so far, and says whether to go on. */
export async function download(request, tell) {
  // Without a byte order mark Excel does not read the file as UTF-8, and Chinese is garbled.
  const parts = ['\ufeff', line(FIELDS)];
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
