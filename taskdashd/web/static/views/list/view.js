// The list: any number of tasks, of which only those in sight are on the page.

import { h, lazy } from '../../core/elements.js';
import { answered } from '../../parts/answered.js';
import { badge, dot, pickedMark, progress } from '../../parts/badge.js';
import { actButtons, claimLeft } from '../../parts/card.js';
import { who } from '../../parts/face.js';
import { choose, filterRow } from '../../parts/filters.js';
import { opens } from '../../parts/opening.js';
import { since } from '../../parts/time.js';
import { welcome } from '../../parts/welcome.js';
import { collate, number, t } from '../../parts/words.js';
import { isAll, queryOf } from '../../rules/filters.js';
import { columnOf } from '../../rules/states.js';
import { daemonTime, foundName, nameOf } from '../../wire/known.js';
import { save } from './download.js';
import { GROUPS, SORTS, STATES, added, begun, filled, isHead, taken, whereOf } from './model.js';
import { ROW, body, move, scrollTo, sight } from './sight.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('./model').Row} Row
 * @typedef {import('../../parts/page').Page<Model>} Page
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').Reply} Reply
 */

const PAGE = 500;
const PAGE_MAX = 1000;
/** The next page is asked for when so few rows are left below those in sight. */
const AHEAD = 400;
const PRINTED_MAX = 10_000;

/** Where the list was left, by its URL: going back to it scrolls there again. */
const left = { hash: '', top: 0, rows: 0 };
/** The next page while it is on its way, and how many tasks were saved. */
const busy = { reading: /** @type {Promise<void> | null} */ (null), saved: -1 };

/** @type {import('../../parts/page').View<Model>} */
export const view = {
  start: (place, known) => begun(place.filters, known.me),

  async read(page) {
    const back = left.hash === location.hash ? { ...left } : null;
    const limit = Math.min(PAGE_MAX, Math.max(PAGE, back?.rows ?? 0));
    remember(page);
    const { filter } = page.model;
    const found = await page.ask('Query', request(page, limit, null));
    page.update((model) =>
      model.filter === filter
        ? filled(
            begun(page.place.filters, page.known.me),
            found.tasks,
            found.next,
            collate,
            (user) => nameOf(page.known, user),
          )
        : model,
    );
    scrollTo(back?.top ?? 0);
  },

  take: (model, news, known) =>
    news.events ? taken(model, news.events, (user) => foundName(known, user)) : model,

  paint(page) {
    const { model } = page;
    const [first, last] = sight(model);
    if (model.next !== null && last > model.rows.length - AHEAD) {
      readMore(page);
    }
    const isNothing = model.isRead && model.rows.length === 0;
    const again = () => page.refine({});
    return [
      h('h1.hidden', null, t('view.list')),
      filterRow(page, [state(page), grouping(page)]),
      h('div.said', null, h('p', { role: 'status' }, said(model)), download(page)),
      model.fresh.size > 0 &&
        h('button.fresh', { onclick: again }, t('list.fresh', { n: number(model.fresh.size) })),
      isNothing && isAll(model.filter) && !model.state
        ? welcome(page.known)
        : body(
            page,
            head(page),
            model.rows.slice(first, last).map((row, n) => item(row, first + n, page)),
          ),
    ];
  },

  tasks: ({ rows }) => [rows.flatMap((row) => (isHead(row) ? [] : row))],

  isPart: ({ next }) => next !== null,

  async readAll(page) {
    const wants = (/** @type {Model} */ { next, rows }) =>
      next !== null && rows.length < PRINTED_MAX;
    while (wants(page.model) && !page.signal.aborted) {
      await readMore(page);
    }
  },

  key: (event, page) => move(event, page.model.rows),
};

/** Keep where the list is scrolled to, as long as it is open. @param {Page} page */
function remember(page) {
  const { hash } = location;
  page.signal.addEventListener('abort', () => {
    const top = document.querySelector('.scroll')?.scrollTop ?? 0;
    Object.assign(left, { hash, top, rows: page.model.rows.length });
  });
}

/** @param {Page} page @param {number} limit @param {string | null} after */
function request({ model }, limit, after) {
  return queryOf(model.filter, whereOf(model), model.order, limit, after);
}

/** Read the next page, unless it is on its way. @param {Page} page @returns {Promise<void>} */
function readMore(page) {
  busy.reading ??= readNext(page).finally(() => {
    busy.reading = null;
  });
  return busy.reading;
}

/** @param {Page} page */
async function readNext(page) {
  const { filter, next } = page.model;
  try {
    const found = await page.ask('Query', request(page, PAGE, next));
    page.update((model) =>
      model.filter === filter ? added(model, found.tasks, found.next) : model,
    );
  } catch (error) {
    page.explain(error);
    page.update((model) => ({ ...model, next: null }));
  }
}

/** @param {Model} model */
function said({ rows, places, next, isRead }) {
  if (rows.length === 0) {
    return t(isRead ? 'list.none' : 'list.reading');
  }
  return t(next === null ? 'list.all' : 'list.some', { n: number(places.size) });
}

/** @param {Page} page */
function state(page) {
  const options = STATES.map(
    ({ key }) => /** @type {[string, string]} */ ([key, t(`state.${key}`)]),
  );
  const change = (/** @type {any} */ event) => page.refine({ state: event.target.value });
  return choose('state', t('filter.states'), t('filter.states'), page.model.state, change, options);
}

/** @param {Page} page */
function grouping(page) {
  const options = Object.entries(GROUPS).map(
    ([name, field]) =>
      /** @type {[string, string]} */ ([name, t('list.by', { field: t(`field.${field}`) })]),
  );
  const chosen = page.place.filters.get('by') ?? '';
  const change = (/** @type {any} */ event) => page.refine({ by: event.target.value });
  return choose('by', t('filter.by'), t('filter.by'), chosen, change, options);
}

/** @param {Page} page */
function download(page) {
  const isBusy = busy.saved >= 0;
  const press = async () => {
    if (isBusy) {
      return;
    }
    busy.saved = 0;
    try {
      await save(page, request(page, PAGE_MAX, null), (count) => {
        busy.saved = count;
        page.update((model) => model);
      });
    } catch (error) {
      page.explain(error);
    }
    busy.saved = -1;
    page.update((model) => model);
  };
  const text = isBusy ? t('list.saving', { n: number(busy.saved) }) : t('list.save');
  const props = { onclick: press, 'aria-disabled': isBusy ? 'true' : null };
  return h('button.link', { ...props, title: t('list.save.about') }, text);
}

/** @param {Page} page */
function head(page) {
  const { order, by } = page.model;
  const base = order.replace('-', '');
  const isDown = order.startsWith('-');
  const column = (/** @type {string} */ name, /** @type {string} */ label) => {
    const isMine = !by && base === SORTS[name].replace('-', '');
    const next = isMine ? (isDown ? base : `-${base}`) : SORTS[name];
    const mark = isMine ? (isDown ? ' ↓' : ' ↑') : '';
    const sorted = isMine ? (isDown ? 'descending' : 'ascending') : null;
    const press = () => page.refine({ sort: next });
    const button = h('button.sort', { onclick: press }, label, mark);
    return h(`span.c-${name}`, { role: 'columnheader', 'aria-sort': sorted }, by ? label : button);
  };
  return h(
    'div.listhead',
    { role: 'row' },
    column('name', t('field.name')),
    column('status', t('field.status')),
    column('user', t('field.user')),
    column('group', t('field.group_id')),
    h('span.c-id', { role: 'columnheader' }, t('field.id')),
    column('changed', t('field.updated_at')),
  );
}

/** @param {Row} row @param {number} n @param {Page} page */
function item(row, n, page) {
  const key = isHead(row) ? ` ${row.value}` : row.id;
  const { me, people } = page.known;
  const isPending = !isHead(row) && page.pending.has(row.id);
  const isPicked = !isHead(row) && page.picking.ids.has(row.id);
  return lazy(key, [row, n, me, people, isPending, isPicked], () =>
    isHead(row) ? heading(row.head, row.value, n, page) : line(row, n, page),
  );
}

/** @param {number} n */
const placeOf = (n) => ({
  role: 'row',
  'aria-rowindex': n + 2,
  style: { '--top': `${n * ROW}px` },
});

/** @param {string} field @param {string} value @param {number} n @param {Page} page */
function heading(field, value, n, page) {
  const name = field === 'user' ? nameOf(page.known, value) : value;
  const text = field === 'status' ? badge(value) : name || '–';
  return h('div.grouphead', placeOf(n), h('span', { role: 'cell' }, text));
}

/** @param {Task} task @param {number} n @param {Page} page */
function line(task, n, page) {
  const { known } = page;
  const where = page.link('task', task.id, {});
  const isPicked = page.picking.ids.has(task.id);
  const cell = (
    /** @type {string} */ name,
    /** @type {import('../../core/types').Children[]} */ ...what
  ) => h(`span.c-${name}`, { role: 'cell' }, what);
  return h(
    isPicked ? 'div.listrow.picked' : 'div.listrow',
    { ...placeOf(n), ...opens(where, page, task.id), dataset: { id: task.id, n } },
    cell(
      'name',
      isPicked && pickedMark(),
      dot(columnOf(task)),
      h('a', { href: where }, task.name || task.id),
      progress(task),
      task.progress && h('span.share', null, task.progress),
      columnOf(task) === 'dead' && actButtons(task, page),
    ),
    cell('status', badge(task.status)),
    cell(
      'user',
      task.user && who(known, task.user),
      claimLeft(task, page),
      answered(task.acknowledged, known),
    ),
    cell('group', task.group_id),
    cell('id', task.id),
    cell('changed', since(task.updated_at, daemonTime(known))),
  );
}
