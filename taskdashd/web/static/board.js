// The board: a column for each state; cards move by themselves, and by hand.

import { arrange, calm, fill, h, isForPage, onFrame } from './dom.js';
import { ask, figures, known, nameOf, on } from './feed.js';
import { KEYS, act, explain } from './acts.js';
import { COLUMNS, actOfDrop, actsFor, badge, bar as progress, columnOf, face, since, stateOf } from './tasks.js';
import { link, place } from './app.js';
import { isAll, matches, paintFilters, wanted } from './filters.js';
import { welcome } from './empty.js';
import { number, t } from './words.js';

const SHOWN = 60;
const REFILL_MS = 1000;

export function open(main) {
  const columns = new Map(COLUMNS.map((column) => [column.key, { ...column, tasks: new Map(), more: false, ready: false, refilled: 0 }]));
  let cards = new Map();
  let filter = wanted();
  let dragged = null;
  let turn = 0;
  let live = true;
  // The revs of events since the last read began, by task. A page that is still on its way may be older than an
  // event: without the revs it would put the card back to where it was.
  const told = new Map();

  const bar = h('div.filters', { role: 'search' });
  const stage = h('div.board', { onkeydown: key });
  const empty = h('div');
  fill(main, h('h1.hidden', null, t('view.board')), bar, empty, stage);
  for (const column of columns.values()) {
    column.count = h('span.count');
    column.list = h('ul.cards', { 'aria-label': t(`state.${column.key}`) }, skeleton());
    column.end = h('div.end');
    column.node = h(`section.column.${column.key}`, {
      ondragover: (event) => { if (dragged && actOfDrop(dragged, column.key)) { event.preventDefault(); column.node.classList.add('over'); } },
      ondragleave: () => column.node.classList.remove('over'),
      ondrop: (event) => { event.preventDefault(); column.node.classList.remove('over'); drop(column.key); },
      hidden: column.rare === true,
    }, h('header', null, h(`span.dot.${column.key}`), h('h2', null, t(`state.${column.key}`)), column.count), column.list, column.end);
    stage.append(column.node);
  }

  function read() {
    turn++;
    told.clear();
    filter = wanted();
    for (const column of columns.values()) { column.tasks.clear(); column.ready = false; fillColumn(column); }
  }

  async function fillColumn(column) {
    const mine = turn;
    column.refilled = Date.now();
    try {
      const page = await ask('Query', { where: { ...column.where, ...filter.where }, order: '-rev', limit: SHOWN, ...(filter.text && { contains: filter.text }) });
      if (mine !== turn || !live) return;
      const news = [...column.tasks.values()].filter((task) => told.has(task.id));
      const read = page.tasks.filter((task) => (told.get(task.id) ?? 0) <= task.rev);
      column.tasks = new Map([...read, ...news].map((task) => [task.id, task]));
      column.more = page.next !== null;
    } catch (error) { if (mine === turn && live) explain(error); }
    column.ready = true;
    paint();
  }

  const paint = onFrame(() => {
    if (!live || ![...columns.values()].every((column) => column.ready)) return;
    const before = calm() ? null : positions();
    const focused = stage.contains(document.activeElement) ? document.activeElement.closest('.card')?.dataset.id : null;
    const total = known.figures && isAll(filter) ? known.figures.states : null;
    const shown = new Map();
    for (const column of columns.values()) {
      column.node.hidden = column.rare === true && !column.tasks.size;
      const tasks = [...column.tasks.values()].sort((a, b) => b.rev - a.rev).slice(0, SHOWN);
      const more = column.more || column.tasks.size > SHOWN;
      const there = more && total ? column.counts.reduce((sum, one) => sum + (total[one] ?? 0), 0) : 0;
      column.count.textContent = number(Math.max(there, column.tasks.size)) + (more && !total ? '+' : '');
      if (tasks.length) arrange(column.list, tasks.map((task) => cardOf(task, shown)));
      else fill(column.list, h('li.nothing', null, t(more ? 'list.reading' : `empty.${column.key}`)));
      fill(column.end, more && h('a', { href: link('list', '', withState(column)) }, t('board.more')));
      // Cards that others have moved on leave the column short while the daemon has more tasks for it: read again, once a
      // second at most.
      if (column.more && column.tasks.size < SHOWN / 2) {
        if (Date.now() - column.refilled > REFILL_MS) fillColumn(column);
        else setTimeout(paint, REFILL_MS);
      }
    }
    cards = shown;
    const none = [...columns.values()].every((column) => !column.tasks.size);
    fill(empty, none && isAll(filter) && welcome());
    stage.hidden = Boolean(empty.firstChild);
    if (focused && !stage.contains(document.activeElement)) cards.get(focused)?.node.querySelector('a').focus({ preventScroll: true });
    if (before) glide(before);
  });

  function cardOf(task, shown) {
    const old = cards.get(task.id);
    const node = old?.task.rev === task.rev ? old.node : card(task);
    if (old && old.node !== node) node.classList.add('changed');
    shown.set(task.id, { node, task });
    return node;
  }

  function card(task) {
    const acts = actsFor(task);
    return h('li.card', {
      draggable: acts.length > 0 ? 'true' : null, dataset: { id: task.id },
      onclick: (event) => { if (!event.target.closest('a, button')) location.hash = link('task', task.id); },
      ondragstart: (event) => { dragged = task; event.dataTransfer.setData('text/plain', task.id); },
      ondragend: () => { dragged = null; },
    },
    h('a.name', { href: link('task', task.id), draggable: 'false' }, task.name || task.id),
    h('span.meta', null, ['live', 'waits'].includes(stateOf(task.status)) && badge(task.status), task.group_id && h('span.group', null, task.group_id), h('span.id', null, task.id), since(task.updated_at)),
    task.reason && h('span.reason', null, task.reason),
    progress(task),
    task.user && h('span.foot', null, face(task.user), h('span', null, nameOf(task.user))),
    acts.length > 0 && h('span.acts', null, acts.map((name) => h('button', { title: KEYS[name], onclick: () => act(name, task) }, t(`act.${name}`)))));
  }

  async function drop(key) {
    const task = dragged, name = task && actOfDrop(task, key);
    dragged = null;
    if (name) await act(name, task);
  }

  function key(event) {
    const card = event.target.closest('.card');
    if (!card || !isForPage(event)) return;
    const task = cards.get(card.dataset.id)?.task;
    const name = Object.keys(KEYS).find((one) => KEYS[one] === event.key);
    if (name && task && !event.repeat && actsFor(task).includes(name)) { event.preventDefault(); act(name, task); return; }
    const step = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const lists = [...stage.querySelectorAll('.cards')].map((list) => [...list.querySelectorAll('.card')]);
    let column = lists.findIndex((list) => list.includes(card));
    const row = lists[column].indexOf(card) + step[1];
    do column += step[0]; while (step[0] && lists[column] && !lists[column].length);
    const next = lists[column]?.[Math.min(row, lists[column].length - 1)];
    if (row >= 0 && next) next.querySelector('a').focus();
  }

  function take(events) {
    for (const { rev, kind, task } of events) {
      told.set(task.id, rev);
      const to = kind !== 'gone' && matches(task, filter) ? columnOf(task) : null;
      for (const column of columns.values()) {
        if (column.key === to) column.tasks.set(task.id, task);
        else column.tasks.delete(task.id);
      }
    }
    for (const column of columns.values()) {
      if (column.tasks.size <= 2 * SHOWN) continue;
      const kept = [...column.tasks.values()].sort((a, b) => b.rev - a.rev).slice(0, SHOWN);
      column.tasks = new Map(kept.map((task) => [task.id, task]));
      column.more = true;
    }
    if (told.size > 5000 && [...columns.values()].every((column) => column.ready)) told.clear();
    paint();
  }

  function positions() {
    return new Map([...stage.querySelectorAll('.card')].map((node) => [node.dataset.id, node.getBoundingClientRect()]));
  }

  function glide(before) {
    for (const node of stage.querySelectorAll('.card')) {
      const was = before.get(node.dataset.id);
      if (!was) { node.animate([{ opacity: 0 }, { opacity: 1 }], 150); continue; }
      const is = node.getBoundingClientRect(), x = was.left - is.left, y = was.top - is.top;
      if (x || y) node.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: 'none' }], { duration: 180, easing: 'ease-out' });
    }
  }

  addEventListener('refined', read);
  const offs = [paintFilters(bar), on('events', take), on('afresh', read), on('figures', paint), on('people', () => { cards = new Map(); paint(); })];
  read();
  figures().catch(() => {});
  return () => { live = false; removeEventListener('refined', read); offs.forEach((off) => off()); };
}

function withState(column) {
  const filters = place().filters;
  filters.set('state', column.key);
  return filters;
}

function skeleton() {
  return [1, 2].map(() => h('li.card.skeleton', { 'aria-hidden': 'true' }));
}
