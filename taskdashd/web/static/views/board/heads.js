// What stands over the columns: name, count and order; on a narrow screen the row that chooses one.

import { h } from '../../core/elements.js';
import { dot } from '../../parts/badge.js';
import { number, t } from '../../parts/words.js';
import { isAll } from '../../rules/filters.js';
import { COLUMNS } from '../../rules/states.js';
import { COUNTED_MAX, isCounted } from './model.js';
import { ORDERS } from './order.js';
import { FIRST, chosenIn, foldedWith, isLeftOut } from './sight.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 * @typedef {import('../../rules/states').Column} Column
 */

/** How each order is marked in a narrow head. @type {Readonly<Record<string, string>>} */
const SIGNS = { newest: '↓', oldest: '↑', priority: '!' };

/** Whether there is room for one column alone: the bound of `board.css`. */
export const isNarrow = () => matchMedia('(width <= 800px)').matches;

/** Make the row of counts, by which a narrow screen shows one column. @param {Page} page */
export function chooser(page) {
  const chosen = chosenIn(page.place.filters, page.model);
  const button = (/** @type {Column} */ one) => {
    const { key } = one;
    const press = (/** @type {any} */ { currentTarget }) => {
      toTop(currentTarget.parentElement);
      page.refine({ column: key === FIRST ? '' : key });
    };
    return h(
      'button.chip',
      { key, 'aria-pressed': String(key === chosen), onclick: press },
      h('span', null, t(`state.${key}`)),
      ' ',
      h('span.count', null, dot(key), total(one, page)),
    );
  };
  const props = { key: 'chooser', role: 'group', 'aria-label': t('field.status') };
  const shown = COLUMNS.filter((one) => !isLeftOut(one, page.model));
  return h('div.chooser', props, shown.map(button));
}

/**
 * Scroll up to where the columns begin: another column is read from its first card on.
 * @param {HTMLElement} row what stays in sight above them
 */
function toTop(row) {
  const main = row.closest('main');
  const board = row.nextElementSibling;
  if (main && board) {
    const hidden = row.getBoundingClientRect().bottom - board.getBoundingClientRect().top;
    main.scrollTop -= Math.max(0, hidden);
  }
}

/**
 * Make the head of a column; its name folds it, and unfolds it.
 * @param {Column} one
 * @param {Page} page
 * @param {boolean} isFolded
 */
export function head(one, page, isFolded) {
  const { key } = one;
  const fold = () => page.refine({ folded: foldedWith(page.place.filters, key) });
  const name = t(`state.${key}`);
  const title = t(isFolded ? 'board.unfold' : 'board.fold');
  const button = { 'aria-expanded': String(!isFolded), title, onclick: fold };
  return h(
    'header',
    null,
    dot(key),
    h('h2', null, isNarrow() ? name : h('button.fold', button, name)),
    h('span.count', null, total(one, page)),
    !isFolded && ordering(key, page),
  );
}

/** Make what chooses the order of a column. @param {string} key @param {Page} page */
function ordering(key, page) {
  const order = page.model.orders[key];
  const change = (/** @type {any} */ { target }) =>
    page.refine({ [key]: target.value === 'newest' ? '' : target.value });
  const options = Object.keys(ORDERS).map((one) =>
    h('option', { key: one, value: one }, t(`order.${one}`)),
  );
  const label = t('board.order', { state: t(`state.${key}`) });
  return h(
    `span.order${order === 'newest' ? '' : '.chosen'}`,
    { title: t(`order.${order}`) },
    h('span', { 'aria-hidden': 'true' }, SIGNS[order]),
    h('select', { 'aria-label': label, value: order, onchange: change }, options),
  );
}

/** @param {Column} column @param {Page} page */
function total({ key, counts }, page) {
  const { tasks, hasMore, ids, isMany } = page.model.columns[key];
  const states = page.known.figures?.states;
  const known = [...tasks.values()].filter((task) => isCounted(task, page.model)).length;
  if (!hasMore) {
    return number(known);
  }
  if (isAll(page.model.filter) && states) {
    const there = counts.reduce((sum, one) => sum + (states[one] ?? 0), 0);
    return number(Math.max(there, known));
  }
  if (isMany) {
    return `${number(COUNTED_MAX)}+`;
  }
  return ids === null ? '…' : number(ids.size);
}
