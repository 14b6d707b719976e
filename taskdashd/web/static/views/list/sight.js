// Which rows of the list are in sight, and moving among them.

import { h } from '../../core/elements.js';
import { printing } from '../../core/printing.js';
import { t } from '../../parts/words.js';
import { isHead, shiftOf } from './model.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('./model').Row} Row
 * @typedef {import('../../core/types').Children} Children
 * @typedef {import('../../parts/page').Page<Model>} Page
 */

/** The height of a row, in pixels. */
export const ROW = 40;
const AROUND = 12;
const HEIGHT = 600;

const scroller = () => /** @type {HTMLElement | null} */ (document.querySelector('.scroll'));

/** The tasks in sight as the list was last painted. @type {{ rows: [id: string, n: number][] }} */
const seen = { rows: [] };

/**
 * Give the first row that is painted, and the one after the last. What somebody has scrolled to
 * stays in sight: the list is scrolled by as many rows as have come or gone above.
 * @param {Model} model
 */
export function sight({ rows, places }) {
  if (printing.isOn) {
    return [0, rows.length];
  }
  const box = scroller();
  const shift = shiftOf(seen.rows, places);
  if (box?.scrollTop && shift) {
    // The table is as high as it will be only once it was painted.
    const table = /** @type {HTMLElement | null} */ (box.querySelector('.rows'));
    table?.style.setProperty('--height', `${rows.length * ROW}px`);
    box.scrollTop += shift * ROW;
  }
  const top = box?.scrollTop ?? 0;
  const height = box?.clientHeight || HEIGHT;
  const first = Math.floor(top / ROW);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW));
  seen.rows = rows
    .slice(first, last)
    .flatMap((row, n) => (isHead(row) ? [] : [[row.id, first + n]]));
  return [Math.max(0, first - AROUND), Math.min(rows.length, last + AROUND)];
}

/** Scroll the list. @param {number} top in pixels */
export function scrollTo(top) {
  requestAnimationFrame(() => scroller()?.scrollTo({ top }));
}

/**
 * Make the table, as high as all its rows.
 * @param {Page} page
 * @param {Children} head
 * @param {Children} rows
 */
export function body(page, head, rows) {
  const { length } = page.model.rows;
  const repaint = () => page.update((model) => model);
  return h(
    'div.scroll',
    { tabindex: 0, 'aria-label': t('view.list'), role: 'region', onscroll: repaint },
    h(
      'div',
      {
        role: 'table',
        'aria-label': t('view.list'),
        'aria-rowcount': page.model.next === null ? length + 1 : -1,
      },
      h('div', { role: 'rowgroup' }, head),
      h('div.rows', { role: 'rowgroup', style: { '--height': `${length * ROW}px` } }, rows),
    ),
  );
}

/** @type {Record<string, number>} */
const STEPS = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 15,
  PageUp: -15,
  Home: -Infinity,
  End: Infinity,
};

/**
 * Move the focus to another row.
 * @param {KeyboardEvent} event
 * @param {readonly Row[]} rows
 */
export function move(event, rows) {
  const box = scroller();
  const step = STEPS[event.key];
  const target = /** @type {Element} */ (event.target);
  if (!box || !step || rows.length === 0 || !box.contains(target)) {
    return false;
  }
  const from = /** @type {HTMLElement | null} */ (target.closest('.listrow'));
  const first = Math.floor(box.scrollTop / ROW);
  let n = from ? Number(from.dataset.n) + step : step > 1 ? rows.length - 1 : first;
  n = Math.min(rows.length - 1, Math.max(0, n));
  if (isHead(rows[n])) {
    n = Math.min(rows.length - 1, n + (step > 0 || n === 0 ? 1 : -1));
  }
  const top = n * ROW;
  if (top < box.scrollTop) {
    box.scrollTop = top;
  } else if (top + 2 * ROW > box.scrollTop + box.clientHeight) {
    box.scrollTop = top + 2 * ROW - box.clientHeight;
  }
  focusOn(n, 3);
  return true;
}

/**
 * Focus a row as soon as it is painted.
 * @param {number} n
 * @param {number} frames how many to wait for it
 */
function focusOn(n, frames) {
  const link = /** @type {HTMLElement | null} */ (
    document.querySelector(`.listrow[data-n="${n}"] a`)
  );
  if (link) {
    link.focus({ preventScroll: true });
  } else if (frames > 0) {
    requestAnimationFrame(() => focusOn(n, frames - 1));
  }
}
