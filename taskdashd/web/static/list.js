// The list: any number of tasks, of which only those in sight are on the page.

import { arrange, fill, h, onFrame } from './dom.js';
import { ask, known, nameOf, on } from './feed.js';
import { explain } from './acts.js';
import { COLUMNS, badge, bar, columnOf, face, since } from './tasks.js';
import { link, place, refine } from './app.js';
import { matches, paintFilters, wanted } from './filters.js';
import { welcome } from './empty.js';
import { number, t } from './words.js';

const ROW = 40;
const PAGE = 500;
const AHEAD = 12;
const SORTS = { name: 'name', status: 'status', user: 'user', group: 'group_id', changed: '-rev', made: '-created_at' };

export function open(main) {
  let rows = [];
  let places = new Map();
  let next = null;
  let reading = false;
  let turn = 0;
  let filter;
  let news = 0;
  let nodes = new Map();

  const filters = h('div.filters', { role: 'search' });
  const head = h('div.listhead', { role: 'row' });
  const body = h('div.rows', { role: 'rowgroup' });
  const said = h('p.said', { role: 'status' });
  const scroll = h('div.scroll', { tabindex: 0, onkeydown: key, 'aria-label': t('view.list'), role: 'region' }, h('div', { role: 'table', 'aria-label': t('view.list') }, head, body));
  const fresh = h('button.fresh', { hidden: true, onclick: () => read() });
  fill(main, h('h1.hidden', null, t('view.list')), filters, said, fresh, scroll);

  const order = () => place().filters.get('sort') || '-rev';
  const group = () => ({ status: 'status', user: 'user', group: 'group_id' })[place().filters.get('by')];

  function request(after) {
    const state = COLUMNS.find((one) => one.key === place().filters.get('state'));
    return { where: { ...state?.where, ...filter.where }, order: group() ?? order(), limit: PAGE, ...(filter.text && { contains: filter.text }), ...(after && { after }) };
  }

  async function read() {
    const mine = ++turn;
    filter = wanted();
    reading = true;
    paintHead();
    try {
      const page = await ask('Query', request(null));
      if (mine !== turn) return;
      rows = []; places = new Map(); news = 0;
      fresh.hidden = true;
      scroll.scrollTop = 0;
      add(page);
    } catch (error) { if (mine === turn) explain(error); } finally { if (mine === turn) reading = false; }
    paint();
  }

  async function readMore() {
    if (reading || next === null) return;
    const mine = turn;
    reading = true;
    try {
      const page = await ask('Query', request(next));
      if (mine === turn) add(page);
    } catch (error) { if (mine === turn) explain(error); } finally { if (mine === turn) reading = false; }
    paint();
  }

  function add(page) {
    const by = group();
    for (const task of page.tasks) {
      if (places.has(task.id)) continue;
      if (by && (rows.length === 0 || rows.at(-1)[by] !== task[by])) rows.push({ head: by, value: task[by], [by]: task[by] });
      places.set(task.id, rows.length);
      rows.push(task);
    }
    next = page.next;
  }

  const paint = onFrame(() => {
    const height = scroll.clientHeight || 600;
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - AHEAD);
    const last = Math.min(rows.length, Math.ceil((scroll.scrollTop + height) / ROW) + AHEAD);
    body.style.setProperty('--height', `${rows.length * ROW}px`);
    const shown = new Map();
    arrange(body, rows.slice(first, last).map((row, n) => {
      const key = row.head ? `${row.head} ${row.value}` : row.id;
      const old = nodes.get(key);
      const node = old && old.row === row ? old.node : rowOf(row);
      node.style.setProperty('--top', `${(first + n) * ROW}px`);
      node.dataset.n = first + n;
      shown.set(key, { row, node });
      if (old && old.node !== node && old.node.contains(document.activeElement)) queueMicrotask(() => node.focus({ preventScroll: true }));
      return node;
    }));
    nodes = shown;
    said.textContent = rows.length === 0 ? (reading ? t('list.reading') : t('list.none')) : t(next === null ? 'list.all' : 'list.some', { n: number(places.size) });
    if (rows.length === 0 && !reading && !filter.text && !Object.keys(filter.where).length && !place().filters.get('state')) fill(body, welcome());
    // The next page is asked for long before its rows come into sight.
    if (last > rows.length - PAGE) readMore();
  });

  function rowOf(row) {
    if (row.head) return h('div.grouphead', { role: 'row' }, h('span', { role: 'cell' }, row.head === 'status' ? badge(row.value) : row.head === 'user' ? nameOf(row.value) || '–' : row.value || '–'));
    return h('a.listrow', { role: 'row', href: link('task', row.id), dataset: { id: row.id } },
      h('span.c-name', { role: 'cell' }, h(`span.dot.${columnOf(row)}`), h('span', null, row.name || row.id), bar(row)),
      h('span.c-status', { role: 'cell' }, badge(row.status)),
      h('span.c-user', { role: 'cell' }, row.user && face(row.user), row.user ? nameOf(row.user) : ''),
      h('span.c-group', { role: 'cell' }, row.group_id),
      h('span.c-id', { role: 'cell' }, row.id),
      h('span.c-changed', { role: 'cell' }, since(row.updated_at)));
  }

  function paintHead() {
    const now = order();
    const column = (name, label) => h(`span.c-${name}`, { role: 'columnheader', 'aria-sort': now.replace('-', '') === SORTS[name].replace('-', '') ? (now.startsWith('-') ? 'descending' : 'ascending') : null },
      h('button.sort', { onclick: () => refine({ sort: now === SORTS[name] ? (now.startsWith('-') ? now.slice(1) : `-${now}`) : SORTS[name] }) }, label, now.replace('-', '') === SORTS[name].replace('-', '') ? (now.startsWith('-') ? ' ↓' : ' ↑') : ''));
    fill(head, column('name', t('field.name')), column('status', t('field.status')), column('user', t('field.user')), column('group', t('field.group_id')),
      h('span.c-id', { role: 'columnheader' }, t('field.id')), column('changed', t('field.updated_at')));
  }

  function key(event) {
    const row = event.target.closest('.listrow');
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (!step || !rows.length) return;
    event.preventDefault();
    let n = row ? Number(row.dataset.n) + step : Math.floor(scroll.scrollTop / ROW);
    n = Math.min(rows.length - 1, Math.max(0, n));
    if (rows[n].head) n = Math.min(rows.length - 1, Math.max(0, n + Math.sign(step)));
    const top = n * ROW;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    if (top + 2 * ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + 2 * ROW - scroll.clientHeight;
    requestAnimationFrame(() => requestAnimationFrame(() => body.querySelector(`[data-n="${n}"]`)?.focus()));
  }

  function take(events) {
    const state = place().filters.get('state');
    const newest = order() === '-rev' && !group() ? new Map() : null;
    for (const { kind, task } of events) {
      const n = places.get(task.id);
      const fits = kind !== 'gone' && matches(task, filter) && (!state || columnOf(task) === state);
      if (newest && fits) { newest.set(task.id, task); continue; }
      if (n === undefined) { if (fits) news++; continue; }
      // Rows stay where they are while somebody reads; what no longer fits says so by its state.
      if (kind === 'gone') rows[n] = { ...rows[n], name: '–', description: '', user: '' };
      else if (rows[n].rev <= task.rev) rows[n] = task;
    }
    if (newest?.size) putFirst(newest);
    fresh.hidden = news === 0;
    fresh.textContent = t('list.fresh', { n: number(news) });
    paint();
  }

  /** What has changed last comes first; who reads further down keeps their place. */
  function putFirst(newest) {
    const before = rows.length;
    const changed = [...newest.values()].sort((a, b) => b.rev - a.rev);
    rows = [...changed, ...rows.filter((row) => !newest.has(row.id))];
    places = new Map(rows.map((row, n) => [row.id, n]));
    if (scroll.scrollTop > 0) scroll.scrollTop += (rows.length - before) * ROW;
  }

  scroll.addEventListener('scroll', paint, { passive: true });
  const sized = new ResizeObserver(paint);
  sized.observe(scroll);
  addEventListener('refined', read);
  const choice = (name, label, options) => (filters) => h('select', { 'aria-label': label, onchange: (event) => refine({ [name]: event.target.value }) },
    h('option', { value: '' }, label), options.map(([value, text]) => h('option', { value, selected: filters.get(name) === value }, text)));
  const offs = [paintFilters(filters, [
    choice('state', t('filter.states'), COLUMNS.map((one) => [one.key, t(`state.${one.key}`)])),
    choice('by', t('filter.by'), [['status', t('field.status')], ['user', t('field.user')], ['group', t('field.group_id')]]),
  ]), on('events', take), on('afresh', read), on('people', () => { nodes = new Map(); paint(); })];
  read();
  return () => { turn++; sized.disconnect(); removeEventListener('refined', read); offs.forEach((off) => off()); };
}
