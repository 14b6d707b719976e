// The list: any number of tasks, of which only those in sight are on the page.

import { arrange, fill, h, isForPage, onFrame } from './dom.js';
import { ask, nameOf, on } from './feed.js';
import { explain } from './acts.js';
import { COLUMNS, badge, bar, columnOf, face, since } from './tasks.js';
import { link, place, refine } from './app.js';
import { isAll, matches, paintFilters, wanted } from './filters.js';
import { welcome } from './empty.js';
import { download } from './download.js';
import { number, t } from './words.js';

const ROW = 40;
const PAGE = 500;
const PAGE_MAX = 1000;
const AHEAD = 12;
// Events add rows on top: at more rows than this a list that is not scrolled is read anew, or it would grow for ever.
const ROWS_MAX = 5000;
const AGAIN_MS = 2000;
const SORTS = { name: 'name', status: 'status', user: 'user', group: 'group_id', changed: '-rev' };
const WORK = { key: 'work', where: { status: COLUMNS.filter((one) => ['claimed', 'editing'].includes(one.key)).flatMap((one) => one.where.status) } };
const STATES = [...COLUMNS, WORK];

// Where the last list was left: going back to the same URL scrolls there again.
let left = { hash: '', top: 0, rows: 0 };

export function open(main) {
  let rows = [];
  let places = new Map();
  let nodes = new Map();
  let next = null;
  let reading = false;
  let turn = 0;
  let filter = wanted();
  let fresh = new Set();

  const filters = h('div.filters', { role: 'search' });
  const head = h('div.listhead', { role: 'row' });
  const body = h('div.rows', { role: 'rowgroup' });
  const said = h('p', { role: 'status' });
  const table = h('div', { role: 'table', 'aria-label': t('view.list') }, h('div', { role: 'rowgroup' }, head), body);
  const scroll = h('div.scroll', { tabindex: 0, onkeydown: key, 'aria-label': t('view.list'), role: 'region' }, table);
  const save = h('button.link', { onclick: saveAll, title: t('list.save.about') }, t('list.save'));
  const news = h('button.fresh', { hidden: true, onclick: () => read() });
  fill(main, h('h1.hidden', null, t('view.list')), filters, h('div.said', null, said, save), news, scroll);

  async function saveAll() {
    save.disabled = true;
    try {
      await download(request(null, PAGE), (count) => {
        save.textContent = t('list.saving', { n: number(count) });
        return save.isConnected;
      });
    } catch (error) { explain(error); }
    save.disabled = false;
    save.textContent = t('list.save');
  }

  const group = () => ({ status: 'status', user: 'user', group: 'group_id' })[place().filters.get('by')];
  const order = () => group() ?? (place().filters.get('sort') || '-rev');
  const state = () => STATES.find((one) => one.key === place().filters.get('state'));
  const fits = (task) => matches(task, filter) && (!state() || columnOf(task) === state().key || (state() === WORK && WORK.where.status.includes(task.status)));

  function request(after, limit) {
    return { where: { ...state()?.where, ...filter.where }, order: order(), limit, ...(filter.text && { contains: filter.text }), ...(after && { after }) };
  }

  async function read() {
    const mine = ++turn;
    filter = wanted();
    reading = true;
    paintHead();
    const back = left.hash === location.hash ? left : null;
    left = { hash: '', top: 0, rows: 0 };
    try {
      const page = await ask('Query', request(null, back ? Math.min(PAGE_MAX, Math.max(PAGE, back.rows)) : PAGE));
      if (mine !== turn) return;
      rows = []; places = new Map(); nodes = new Map(); fresh = new Set();
      add(page);
      body.style.setProperty('--height', `${rows.length * ROW}px`);
      scroll.scrollTop = back?.top ?? 0;
    } catch (error) { if (mine === turn) explain(error); } finally { if (mine === turn) reading = false; }
    paint();
  }

  async function readMore() {
    if (reading || next === null) return;
    const mine = turn;
    reading = true;
    try {
      const page = await ask('Query', request(next, PAGE));
      if (mine !== turn) return;
      add(page);
      reading = false;
      paint();
    } catch (error) {
      if (mine !== turn) return;
      explain(error);
      // Painting reads on: without a pause a daemon that refuses would be asked again at every frame.
      setTimeout(() => { if (mine === turn) { reading = false; paint(); } }, AGAIN_MS);
    }
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
    table.setAttribute('aria-rowcount', next === null ? rows.length + 1 : -1);
    const focused = body.contains(document.activeElement) ? document.activeElement.closest('.listrow')?.dataset.id : null;
    const shown = new Map();
    arrange(body, rows.slice(first, last).map((row, n) => {
      const key = row.head ? `${row.head} ${row.value}` : row.id;
      const old = nodes.get(key);
      const node = old && old.row === row ? old.node : rowOf(row);
      node.style.setProperty('--top', `${(first + n) * ROW}px`);
      node.setAttribute('aria-rowindex', first + n + 2);
      node.dataset.n = first + n;
      shown.set(key, { row, node });
      return node;
    }));
    nodes = shown;
    if (focused && !body.contains(document.activeElement)) nodes.get(focused)?.node.querySelector('a').focus({ preventScroll: true });
    const text = rows.length === 0 ? (reading ? t('list.reading') : t('list.none')) : t(next === null ? 'list.all' : 'list.some', { n: number(places.size) });
    if (said.textContent !== text) said.textContent = text;
    news.hidden = fresh.size === 0;
    news.textContent = t('list.fresh', { n: number(fresh.size) });
    if (rows.length === 0 && !reading && isAll(filter) && !state()) fill(body, welcome());
    // The next page is asked for long before its rows come into sight.
    if (last > rows.length - PAGE) readMore();
  });

  function rowOf(row) {
    if (row.head) return h('div.grouphead', { role: 'row' }, h('span', { role: 'cell' }, row.head === 'status' ? badge(row.value) : row.head === 'user' ? nameOf(row.value) || '–' : row.value || '–'));
    const where = link('task', row.id);
    return h('div.listrow', { role: 'row', dataset: { id: row.id }, onclick: (event) => { if (!event.target.closest('a')) location.hash = where; } },
      h('span.c-name', { role: 'cell' }, h(`span.dot.${columnOf(row)}`), h('a', { href: where }, row.name || row.id), bar(row)),
      h('span.c-status', { role: 'cell' }, badge(row.status)),
      h('span.c-user', { role: 'cell' }, row.user && face(row.user), row.user ? nameOf(row.user) : ''),
      h('span.c-group', { role: 'cell' }, row.group_id),
      h('span.c-id', { role: 'cell' }, row.id),
      h('span.c-changed', { role: 'cell' }, since(row.updated_at)));
  }

  function paintHead() {
    const now = order(), base = now.replace('-', ''), down = now.startsWith('-');
    const column = (name, label) => {
      const mine = !group() && base === SORTS[name].replace('-', '');
      return h(`span.c-${name}`, { role: 'columnheader', 'aria-sort': mine ? (down ? 'descending' : 'ascending') : null },
        group() ? label : h('button.sort', { dataset: { k: name }, onclick: () => refine({ sort: mine ? (down ? base : `-${base}`) : SORTS[name] }) }, label, mine ? (down ? ' ↓' : ' ↑') : ''));
    };
    fill(head, column('name', t('field.name')), column('status', t('field.status')), column('user', t('field.user')), column('group', t('field.group_id')),
      h('span.c-id', { role: 'columnheader' }, t('field.id')), column('changed', t('field.updated_at')));
  }

  function key(event) {
    const row = event.target.closest('.listrow');
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !rows.length || !isForPage(event)) return;
    event.preventDefault();
    let n = row ? Number(row.dataset.n) + step : step > 1 ? rows.length - 1 : Math.floor(scroll.scrollTop / ROW);
    n = Math.min(rows.length - 1, Math.max(0, n));
    if (rows[n].head) n = Math.min(rows.length - 1, n + (step > 0 ? 1 : n ? -1 : 1));
    const top = n * ROW;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    if (top + 2 * ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + 2 * ROW - scroll.clientHeight;
    const focus = () => body.querySelector(`[data-n="${n}"] a`)?.focus({ preventScroll: true });
    requestAnimationFrame(() => { paint(); requestAnimationFrame(focus); });
  }

  function take(events) {
    const newest = !group() && order() === '-rev' ? new Map() : null;
    const gone = new Set();
    for (const { kind, task } of events) {
      const n = places.get(task.id);
      if (kind === 'gone') gone.add(task.id);
      else if (newest && fits(task)) newest.set(task.id, task);
      else if (n !== undefined) { if (rows[n].rev <= task.rev) rows[n] = task; }
      else if (kind === 'registered' && fits(task)) fresh.add(task.id);
    }
    for (const id of gone) { fresh.delete(id); newest?.delete(id); }
    if (newest?.size && rows.length > ROWS_MAX && scroll.scrollTop === 0) { read(); return; }
    if (newest?.size || [...gone].some((id) => places.has(id))) rearrange(newest ?? new Map(), gone);
    paint();
  }

  /** Put the last changes on top. Scroll by as much as was added above, so that the rows being read do not move. */
  function rearrange(newest, gone) {
    const before = rows.length;
    const changed = [...newest.values()].sort((a, b) => b.rev - a.rev);
    rows = [...changed, ...rows.filter((row) => !newest.has(row.id) && !gone.has(row.id))];
    places = new Map();
    rows.forEach((row, n) => { if (!row.head) places.set(row.id, n); });
    if (scroll.scrollTop > 0) scroll.scrollTop += (rows.length - before) * ROW;
  }

  scroll.addEventListener('scroll', paint, { passive: true });
  const sized = new ResizeObserver(paint);
  sized.observe(scroll);
  addEventListener('refined', read);
  const hash = () => location.hash;
  let mine = hash();
  const remember = () => { mine = hash(); };
  addEventListener('refined', remember);
  const choice = (name, label, options) => (filters) => h('select', { 'aria-label': label, onchange: (event) => refine({ [name]: event.target.value }) },
    h('option', { value: '' }, label), options.map(([value, text]) => h('option', { value, selected: filters.get(name) === value }, text)));
  const offs = [paintFilters(filters, [
    choice('state', t('filter.states'), STATES.map((one) => [one.key, t(`state.${one.key}`)])),
    choice('by', t('filter.by'), [['status', t('field.status')], ['user', t('field.user')], ['group', t('field.group_id')]]),
  ]), on('events', take), on('afresh', read), on('people', () => { nodes = new Map(); paint(); })];
  read();
  return () => {
    left = { hash: mine, top: scroll.scrollTop, rows: rows.length };
    turn++;
    sized.disconnect();
    removeEventListener('refined', read);
    removeEventListener('refined', remember);
    offs.forEach((off) => off());
  };
}
