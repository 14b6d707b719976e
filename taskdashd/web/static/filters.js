// The filters of board and list: they live in the URL, and what is selected is theirs.

import { fill, h, later } from './dom.js';
import { known, on } from './feed.js';
import { place, refine } from './app.js';
import { t } from './words.js';

const FIELDS = { group: 'group_id', user: 'user', checker: 'checker', project: 'project_id', type: 'task_type', id: 'parent_id' };

/** Give the `where` that the URL asks for, and the text that is searched for. */
export function wanted() {
  const { filters } = place();
  const where = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = filters.get(name);
    if (value) where[field] = value === 'me' ? known.me.user : value === 'nobody' ? '' : value;
  }
  return { where, text: (filters.get('q') ?? '').toLowerCase() };
}

/** Tell whether a task is what the URL asks for. */
export function matches(task, { where, text }) {
  for (const [field, value] of Object.entries(where)) if ((task[field] ?? '') !== value) return false;
  return !text || [task.name, task.id, task.description].some((one) => one.toLowerCase().includes(text));
}

/** The row of filters. Gives how to end it. */
export function paintFilters(node, more = []) {
  const paint = () => {
    const { filters } = place();
    const me = known.me;
    const groups = new Set([...me.groups, ...[...known.people.values()].flatMap((one) => one.groups)]);
    const chosen = filters.get('group');
    if (chosen) groups.add(chosen);
    const search = h('input', { type: 'search', placeholder: `${t('search')}  /`, 'aria-label': t('search'), value: filters.get('q') ?? '', oninput: later(200, () => refine({ q: search.value })) });
    fill(node, search,
      me.user && h('button.chip', { 'aria-pressed': String(filters.get('user') === 'me'), onclick: () => refine({ user: filters.get('user') === 'me' ? '' : 'me' }) }, t('filter.mine')),
      h('button.chip', { 'aria-pressed': String(filters.get('user') === 'nobody'), onclick: () => refine({ user: filters.get('user') === 'nobody' ? '' : 'nobody' }) }, t('filter.nobodys')),
      groups.size > 0 && h('select', { 'aria-label': t('field.group_id'), onchange: (event) => refine({ group: event.target.value }) },
        h('option', { value: '' }, t('filter.groups')), [...groups].sort().map((one) => h('option', { value: one, selected: one === chosen }, one))),
      ...more.map((make) => make(filters)),
      [...filters.keys()].some((name) => name in FIELDS || name === 'q') && h('button.link', { onclick: () => refine(Object.fromEntries([...filters.keys()].map((name) => [name, '']))) }, t('filter.clear')));
  };
  paint();
  const refresh = () => { if (!node.contains(document.activeElement) || document.activeElement.type !== 'search') paint(); };
  addEventListener('refined', refresh);
  const off = on('people', refresh);
  return () => { removeEventListener('refined', refresh); off(); };
}
