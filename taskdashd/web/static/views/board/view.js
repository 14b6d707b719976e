// The board: a column for each state; cards move by themselves, and by hand.

import { h, lazy } from '../../core/elements.js';
import { toast } from '../../core/toasts.js';
import { actByKey, card } from '../../parts/card.js';
import { withFigures } from '../../parts/figures.js';
import { filterRow } from '../../parts/filters.js';
import { welcome } from '../../parts/welcome.js';
import { t } from '../../parts/words.js';
import { actsOfDrop, stepsFrom } from '../../rules/acts.js';
import { filterOf, isAll, queryOf } from '../../rules/filters.js';
import { COLUMNS } from '../../rules/states.js';
import { foundName } from '../../wire/known.js';
import { chooser, head, isNarrow } from './heads.js';
import {
  COUNTED_MAX,
  allRead,
  counted,
  counting,
  empty,
  grown,
  read,
  reading,
  short,
  taken,
  uncounted,
} from './model.js';
import { ORDERS, ordersOf } from './order.js';
import { isPart, readWhole } from './paper.js';
import { chosenIn, foldedIn, isLeftOut } from './sight.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 * @typedef {import('../../rules/states').Column} Column
 * @typedef {import('../../rules/acts').Act} Act
 * @typedef {import('../../wire/types').Task} Task
 */

const AT_ONCE = 1000;
/** A column shows more when so little is left below what is in sight, in pixels. */
const AHEAD_PX = 600;
/** A narrow screen shows this part of the cards that a wide one has in a column. */
const NARROW_SHARE = 4;

/** The task that is dragged, on this page. @type {{ task: Task | null }} */
const dragged = { task: null };

/** The columns of which more is on its way, on this page. @type {Set<string>} */
const growing = new Set();

/** @type {import('../../parts/page').View<Model>} */
export const view = {
  start: ({ filters }, known) => ({
    ...empty(filterOf(filters, known.me), ordersOf(filters)),
    showsHidden: filters.has('hidden'),
  }),

  async read(page) {
    await Promise.all([readColumns(COLUMNS, page), withFigures(page)]);
    for (const column of COLUMNS) {
      await count(column, page);
    }
  },

  // Cards that others have moved on leave a column short, while the daemon has more for it.
  reads: (news, _known, model) => Boolean(news.events) && short(model).length > 0,

  take(old, news, known) {
    const model = news.afresh ? uncounted(old) : old;
    return news.events ? taken(model, news.events, (user) => foundName(known, user)) : model;
  },

  paint(page) {
    const { columns, filter } = page.model;
    const isEmpty = Object.values(columns).every((one) => one.isRead && one.tasks.size === 0);
    return [
      h('h1.hidden', null, t('view.board')),
      filterRow(page),
      isEmpty && isAll(filter)
        ? welcome(page.known)
        : [chooser(page), h('div.board', { key: 'board' }, sections(page))],
    ];
  },

  tasks: ({ columns }) => COLUMNS.map(({ key }) => [...columns[key].tasks.values()]),
  isPart,
  readAll: (page) => readWhole(page, () => readColumns(COLUMNS, page)),

  key(event, page) {
    const target = /** @type {HTMLElement} */ (event.target);
    const node = /** @type {HTMLElement | null} */ (target.closest?.('.card'));
    const task = node && taskOf(page, node.dataset.id ?? '');
    if (!node || !task) {
      return false;
    }
    return actByKey(event, task, page) || move(node, event.key);
  },
};

/** @param {readonly Column[]} columns @param {Page} page */
async function readColumns(columns, page) {
  const { filter } = page.model;
  page.update(reading);
  try {
    await Promise.all(columns.map((column) => readColumn(column, page)));
  } finally {
    page.update((model) => (model.filter === filter ? allRead(model) : model));
  }
}

/** @param {Column} one @param {Page} page */
async function readColumn({ key, where, shown }, page) {
  const { filter, orders, columns, showsHidden } = page.model;
  const selected = showsHidden ? where : { ...where, ...shown };
  const wanted = columns[key].shown;
  /** @type {Task[]} */
  const tasks = [];
  let after = null;
  do {
    const limit = Math.min(wanted - tasks.length, AT_ONCE);
    const asked = queryOf(filter, selected, ORDERS[orders[key]], limit, after);
    /** @type {import('../../wire/types').Reply} */
    const found = await page.ask('Query', asked);
    tasks.push(...found.tasks);
    after = found.next;
  } while (after && tasks.length < wanted && page.model.filter === filter);
  page.update((model) =>
    model.filter === filter ? read(model, key, tasks, after !== null) : model,
  );
}

/** Have a column show more, unless it is about to. @param {string} key @param {Page} page */
async function showMore(key, page) {
  if (growing.has(key)) {
    return;
  }
  growing.add(key);
  page.update((model) => grown(model, key));
  try {
    await readColumns(
      COLUMNS.filter((one) => one.key === key),
      page,
    );
  } catch (error) {
    page.explain(error);
  }
  growing.delete(key);
}

/**
 * Count what a filter finds beyond the cards that are shown. The daemon has counted what no filter
 * chooses.
 * @param {Column} one
 * @param {Page} page
 */
async function count({ key, where, counted: theirs }, page) {
  const { filter, columns } = page.model;
  const { hasMore, ids: known, isMany } = columns[key];
  if (isAll(filter) || !hasMore || known || isMany) {
    return;
  }
  page.update((model) => (model.filter === filter ? counting(model, key) : model));
  const selected = { ...where, ...theirs };
  /** @type {string[]} */
  const ids = [];
  let after = null;
  do {
    /** @type {import('../../wire/types').Reply} */
    const found = await page.ask('Query', queryOf(filter, selected, '-rev', AT_ONCE, after));
    ids.push(...found.tasks.map((/** @type {Task} */ task) => task.id));
    after = found.next;
  } while (after && ids.length < COUNTED_MAX && page.model.filter === filter);
  const found = after === null ? ids : null;
  page.update((model) => (model.filter === filter ? counted(model, key, found) : model));
}

/** @param {Page} page */
function sections(page) {
  const chosen = chosenIn(page.place.filters, page.model);
  const folded = foldedIn(page.place.filters);
  // Where there is one column, none is folded.
  const isFolded = (/** @type {string} */ key) => !isNarrow() && folded.has(key);
  return COLUMNS.map((one) =>
    section(one, page, { isChosen: one.key === chosen, isFolded: isFolded(one.key) }),
  );
}

/**
 * @param {Column} one
 * @param {Page} page
 * @param {{ isChosen: boolean, isFolded: boolean }} how
 */
function section(one, page, { isChosen, isFolded }) {
  const { key } = one;
  const over = (/** @type {any} */ event) => {
    if (dragged.task && actsOfDrop(dragged.task, key, page.known.me).length > 0) {
      event.preventDefault();
      event.currentTarget.classList.add('over');
    }
  };
  const out = (/** @type {any} */ event) => event.currentTarget.classList.remove('over');
  const drop = (/** @type {any} */ event) => {
    out(event);
    event.preventDefault();
    dropped(key, page);
  };
  // Where nothing would happen, the drop itself must say so: let it come.
  const ondragover = (/** @type {any} */ event) => (over(event), event.preventDefault());
  return h(
    `section.column.${key}${isChosen ? '.chosen' : ''}${isFolded ? '.folded' : ''}`,
    { key, hidden: isLeftOut(one, page.model), ondragover, ondragleave: out, ondrop: drop },
    head(one, page, isFolded),
    !isFolded && content(key, page),
  );
}

/** Make what stands below the head of a column. @param {string} key @param {Page} page */
function content(key, page) {
  const { tasks, shown, hasMore, isRead } = page.model.columns[key];
  const none = isAll(page.model.filter) ? `empty.${key}` : 'empty.filtered';
  // On a narrow screen the page itself is scrolled: a column must not be as long as many screens.
  const cards = [...tasks.values()].slice(0, isNarrow() ? shown / NARROW_SHARE : shown);
  const isLong = hasMore || tasks.size > cards.length;
  const more = () => showMore(key, page);
  const scrolled = (/** @type {any} */ { currentTarget: list }) =>
    isLong && list.scrollHeight - list.scrollTop - list.clientHeight < AHEAD_PX && more();
  return [
    h(
      'ul.cards',
      { 'aria-label': t(`state.${key}`), onscroll: scrolled },
      cards.length > 0
        ? cards.map((task) => item(task, page))
        : h('li.nothing', { key: ' none' }, t(isRead && !hasMore ? none : 'list.reading')),
    ),
    isLong &&
      h(
        'div.end',
        null,
        h('button.link', { ...labelled('board.next', key), onclick: more }, t('board.next')),
        h('a', { ...labelled('board.more', key), href: all(key, page) }, t('board.more')),
      ),
    key === 'dead' && h('div.end', null, hidden(page)),
  ];
}

/** Say also of which column a button is. @param {string} word @param {string} key */
const labelled = (word, key) => ({
  'aria-label': t('act.of', { act: t(word), name: t(`state.${key}`) }),
});

/** Make what shows the cards that were dismissed, or hides them again. @param {Page} page */
function hidden(page) {
  const { showsHidden } = page.model;
  const press = () => page.refine({ hidden: showsHidden ? '' : '1' });
  const props = { 'aria-pressed': String(showsHidden), onclick: press };
  return h('button.link', props, t('board.hidden'));
}

/** @param {Task} task @param {Page} page */
function item(task, page) {
  const { me, people } = page.known;
  const isPending = page.pending.has(task.id);
  const isPicked = page.picking.ids.has(task.id);
  return lazy(task.id, [task, me, people, isPending, isPicked], () =>
    card(task, page, {
      draggable: stepsFrom(task, me).length > 0 ? 'true' : null,
      ondragstart: (/** @type {DragEvent} */ event) => {
        dragged.task = task;
        event.dataTransfer?.setData('text/plain', task.id);
      },
      ondragend: () => {
        dragged.task = null;
      },
    }),
  );
}

/** @param {string} key @param {Page} page */
function all(key, page) {
  const filters = new URLSearchParams(page.place.filters);
  filters.set('state', key);
  const order = page.model.orders[key];
  order === 'newest' || filters.set('sort', ORDERS[order]);
  return page.link('list', '', filters);
}

/** @param {string} key @param {Page} page */
async function dropped(key, page) {
  const { task } = dragged;
  dragged.task = null;
  if (!task) {
    return;
  }
  const acts = actsOfDrop(task, key, page.known.me);
  if (acts.length === 0 && page.model.columns[key].tasks.has(task.id)) {
    return;
  }
  if (acts.length === 0) {
    const to = t(`state.${key}`);
    toast(t('board.nodrop', { name: task.name || task.id, to }), { kind: 'bad' });
  }
  await page.act(acts, task);
}

/** @param {Page} page @param {string} id */
function taskOf(page, id) {
  const columns = Object.values(page.model.columns);
  return columns.find((one) => one.tasks.has(id))?.tasks.get(id) ?? null;
}

/** @type {Record<string, readonly [across: number, down: number]>} */
const STEPS = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };

/**
 * Move the focus to another card.
 * @param {HTMLElement} from
 * @param {string} key
 */
function move(from, key) {
  if (!(key in STEPS)) {
    return false;
  }
  const [across, down] = STEPS[key];
  const lists = [...document.querySelectorAll('.board .cards')]
    .filter((one) => one.checkVisibility())
    .map((one) => [...one.querySelectorAll('.card')]);
  let list = lists.findIndex((one) => one.includes(from));
  const row = lists[list].indexOf(from) + down;
  do {
    list += across;
  } while (across && lists[list]?.length === 0);
  const next = lists[list]?.[Math.min(row, lists[list].length - 1)];
  if (row >= 0 && next) {
    /** @type {HTMLElement | null} */ (next.querySelector('a'))?.focus();
  }
  return true;
}
