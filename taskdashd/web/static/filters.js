// The filters of board and list. They live in the URL, so that a link or a reload selects the same tasks.

import { fill, h, later } from './dom.js';
import { known, nameOf, on } from './feed.js';
import { place, refine } from './app.js';
import { finds, words } from './folding.js';
import { t } from './words.js';

const FIELDS = { group: 'group_id', user: 'user', checker: 'checker', project: 'project_id', type: 'task_type', part: 'parent_id', url: 'url' };

/** Give the `where` that the URL asks for, and the text that is searched for. */
export function wanted() {
  const { filters } = place();
  const where = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = filters.get(name);
    if (value) where[field] = value === 'me' ? known.me.user : value === 'nobody' ? '' : value;
  }
  const text = filters.get('q') ?? '';
  return { where, text: text.trim(), words: words(text) };
}

/** Tell whether a task is what the URL asks for. */
export function matches(task, filter) {
  const { where } = filter;
  for (const [field, value] of Object.entries(where)) if ((task[field] ?? '') !== value) return false;
  return finds(filter.words, task, nameOf);
}

export const isAll = ({ where, text }) => !text && !Object.keys(where).length;

/** Paint the row of filters; `more` makes those of one view. Returns the function that ends it. */
export function paintFilters(node, more = []) {
  const paint = () => {
    const { filters } = place();
    const me = known.me;
    const groups = new Set([...me.groups, ...[...known.people.values()].flatMap((one) => one.groups)]);
    const chosen = filters.get('group');
    if (chosen) groups.add(chosen);
    const search = h('input', { type: 'search', placeholder: `${t('search')}  /`, 'aria-label': t('search'), value: filters.get('q') ?? '', oninput: later(200, () => refine({ q: search.value })) });
    const toggle = (value, label) => h('button.chip', { 'aria-pressed': String(filters.get('user') === value), onclick: () => refine({ user: filters.get('user') === value ? '' : value }) }, label);
    // Filters that a link has set (a service's URL, a parent) have no control: show each as a chip that takes it away.
    const others = Object.keys(FIELDS).filter((name) => name !== 'group' && filters.get(name) && !['me', 'nobody'].includes(filters.get(name)));
    fill(node, search, me.user && toggle('me', t('filter.mine')), toggle('nobody', t('filter.nobodys')),
      groups.size > 0 && h('select', { 'aria-label': t('field.group_id'), onchange: (event) => refine({ group: event.target.value }) },
        h('option', { value: '' }, t('filter.groups')), [...groups].sort().map((one) => h('option', { value: one, selected: one === chosen }, one))),
      ...more.map((make) => make(filters)),
      others.map((name) => h('button.chip', { 'aria-pressed': 'true', dataset: { k: name }, title: t('filter.clear'), onclick: () => refine({ [name]: '' }) },
        `${t(`field.${FIELDS[name]}`)}: ${['user', 'checker'].includes(name) ? nameOf(filters.get(name)) : filters.get(name)} ×`)),
      [...filters.keys()].length > 0 && h('button.link', { onclick: () => refine(Object.fromEntries([...filters.keys()].map((name) => [name, '']))) }, t('filter.clear')));
  };
  paint();
  addEventListener('refined', paint);
  const off = on('people', paint);
  return () => { removeEventListener('refined', paint); off(); };
}
