// The board: a column for each state; cards move by themselves, and by hand.

import { arrange, calm, fill, h, onFrame } from './dom.js';
import { ask, known, nameOf, on } from './feed.js';
import { KEYS, act, explain } from './acts.js';
import { COLUMNS, actOfDrop, actsFor, badge, bar, columnOf, face, since, stateOf } from './tasks.js';
import { link } from './app.js';
import { matches, paintFilters, wanted } from './filters.js';
import { welcome } from './empty.js';
import { number, t } from './words.js';

const SHOWN = 60;

export function open(main) {
  const columns = new Map(COLUMNS.map((column) => [column.key, { ...column, tasks: new Map(), more: false, ready: false }]));
  const cards = new Map();
  let filter = wanted();
  let dragged = null;
  let turn = 0;

  const bar = h('div.filters', { role: 'search' });
  const stage = h('div.board', { onkeydown: key });
  const empty = h('div');
  fill(main, h('h1.hidden', null, t('view.board')), bar, empty, stage);
  for (const column of columns.values()) {
    column.count = h('span.count');
    column.list = h('div.cards', { role: 'list', 'aria-label': t(`state.${column.key}`) }, skeleton());
    column.end = h('div.end');
    column.node = h(`section.column.${column.key}`, {
      ondragover: (event) => { if (dragged && actOfDrop(dragged, column.key)) { event.preventDefault(); column.node.classList.add('over'); } },
      ondragleave: () => column.node.classList.remove('over'),
      ondrop: (event) => { event.preventDefault(); column.node.classList.remove('over'); drop(column.key); },
    }, h('header', null, h(`span.dot.${column.key}`), h('h2', null, t(`state.${column.key}`)), column.count), column.list, column.end);
    stage.append(column.node);
  }

  async function read() {
    const mine = ++turn;
    filter = wanted();
    await Promise.all([...columns.values()].map(async (column) => {
      try {
        const page = await ask('Query', { where: { ...column.where, ...filter.where }, order: '-rev', limit: SHOWN, ...(filter.text && { contains: filter.text }) });
        if (mine !== turn) return;
        // What has changed since it was read is known already, and newer.
        const newer = [...column.tasks.values()].filter((one) => column.ready === mine && page.tasks.every((task) => task.id !== one.id));
        column.tasks = new Map([...page.tasks, ...newer].map((task) => [task.id, task]));
        column.more = page.next !== null;
        column.ready = true;
      } catch (error) { if (mine === turn) explain(error); }
    }));
    if (mine === turn) paint();
  }

  const paint = onFrame(() => {
    if (![...columns.values()].every((column) => column.ready)) return;
    const before = calm() ? null : positions();
    const total = known.figures && !filter.text && !Object.keys(filter.where).length ? known.figures.states : null;
    for (const column of columns.values()) {
      const tasks = [...column.tasks.values()].sort((a, b) => b.rev - a.rev).slice(0, SHOWN);
      const there = total ? column.counts.reduce((sum, one) => sum + (total[one] ?? 0), 0) : column.tasks.size;
      column.count.textContent = number(Math.max(there, column.tasks.size)) + (!total && column.more ? '+' : '');
      arrange(column.list, tasks.map(cardOf));
      if (!tasks.length) fill(column.list, h('p.nothing', null, t(`empty.${column.key}`)));
      fill(column.end, column.more && h('a', { href: link('list', '', withStates(column)) }, t('board.more')));
    }
    const none = [...columns.values()].every((column) => !column.tasks.size);
    fill(empty, none && !filter.text && !Object.keys(filter.where).length && welcome());
    stage.hidden = Boolean(empty.firstChild);
    if (before) glide(before);
  });

  function cardOf(task) {
    const known = cards.get(task.id);
    if (known?.rev === task.rev) return known.node;
    const focused = known?.node === document.activeElement || known?.node.contains(document.activeElement);
    const node = card(task);
    cards.set(task.id, { rev: task.rev, node, task });
    if (known?.node.isConnected) { known.node.replaceWith(node); node.classList.add('changed'); }
    if (focused) queueMicrotask(() => node.focus());
    return node;
  }

  function card(task) {
    const acts = actsFor(task);
    return h('a.card', {
      href: link('task', task.id), draggable: acts.length > 0, dataset: { id: task.id }, role: 'listitem',
      ondragstart: (event) => { dragged = task; event.dataTransfer.setData('text/plain', task.id); stage.classList.add('dragging'); },
      ondragend: () => { dragged = null; stage.classList.remove('dragging'); },
    },
    h('span.name', null, task.name || task.id),
    h('span.meta', null, stateOf(task.status) === 'live' && badge(task.status), task.group_id && h('span.group', null, task.group_id), h('span.id', null, task.id)),
    task.reason && h('span.reason', null, task.reason),
    progressBar(task),
    h('span.foot', null, task.user ? [face(task.user), h('span', null, nameOf(task.user))] : h('span.nobody', null, '–'), since(task.updated_at)),
    acts.length > 0 && h('span.acts', null, acts.slice(0, 2).map((name) => h('button', { title: KEYS[name], onclick: (event) => { event.preventDefault(); act(name, task); } }, t(`act.${name}`)))));
  }

  async function drop(key) {
    const task = dragged, name = task && actOfDrop(task, key);
    dragged = null;
    if (name) await act(name, task);
  }

  function key(event) {
    const card = event.target.closest('.card');
    if (!card || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('button')) return;
    const task = cards.get(card.dataset.id)?.task;
    const name = Object.keys(KEYS).find((one) => KEYS[one] === event.key);
    if (name && task && actsFor(task).includes(name)) { event.preventDefault(); act(name, task); return; }
    const step = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const lists = [...stage.querySelectorAll('.cards')].map((list) => [...list.querySelectorAll('.card')]);
    let column = lists.findIndex((list) => list.includes(card)), row = lists[column].indexOf(card) + step[1];
    do column += step[0]; while (step[0] && lists[column] && !lists[column].length);
    const next = lists[column]?.[Math.min(row, lists[column].length - 1)];
    if (row >= 0 && next) next.focus();
  }

  function take(events) {
    for (const { kind, task } of events) {
      const to = kind !== 'gone' && matches(task, filter) ? columnOf(task) : null;
      for (const column of columns.values()) {
        if (column.key === to) {
          if ((column.tasks.get(task.id)?.rev ?? 0) <= task.rev) column.tasks.set(task.id, task);
        } else column.tasks.delete(task.id);
      }
      if (!to) cards.delete(task.id);
    }
    for (const column of columns.values()) {
      if (column.tasks.size <= 2 * SHOWN) continue;
      const kept = [...column.tasks.values()].sort((a, b) => b.rev - a.rev).slice(0, SHOWN);
      column.tasks = new Map(kept.map((task) => [task.id, task]));
      column.more = true;
    }
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

  const refined = () => { for (const column of columns.values()) column.tasks.clear(); read(); };
  addEventListener('refined', refined);
  const offs = [paintFilters(bar), on('events', take), on('afresh', read), on('figures', paint), on('people', () => { cards.clear(); paint(); })];
  read();
  return () => { removeEventListener('refined', refined); offs.forEach((off) => off()); };
}

const progressBar = bar;

function withStates(column) {
  const filters = new URLSearchParams(location.hash.split('?')[1] ?? '');
  filters.set('state', column.key);
  return filters;
}

function skeleton() {
  return [1, 2].map(() => h('div.card.skeleton', { 'aria-hidden': 'true' }));
}
