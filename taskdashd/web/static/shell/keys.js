// What keys do everywhere; a view is asked first.

import { lentFocus } from '../core/focus.js';
import { stepInList } from '../core/roving.js';
import { clearToasts } from '../core/toasts.js';
import { copied } from '../parts/copying.js';
import { hasShortcuts } from '../parts/shortcuts.js';
import { PLACES, isWall, linkTo } from '../rules/places.js';
import { help } from './bar.js';

/** @typedef {import('./shell').Shell} Shell */

const FIELDS = 'input:not([type=checkbox]), textarea, select';
/** What has one stop of the Tab key, and is moved through by arrows. */
export const LISTS = '.cards, .rows, .panels, .groups, .lines, .history, .parts';

/** What leads back to where somebody was before a key brought them to the search. */
const back = { go: focusMain };

function focusMain() {
  document.getElementById('main')?.focus();
}

/**
 * Whether a key was meant for the page, and not for a field, a dialog, a menu or an input method.
 * @param {KeyboardEvent} event
 * @param {Shell} shell
 */
function isForPage(event, shell) {
  const isChord = event.ctrlKey || event.metaKey || event.altKey;
  const target = /** @type {Element} */ (event.target);
  const isTyped = event.isComposing || Boolean(target.closest?.(FIELDS));
  // A letter, a digit or a sign; names of other keys are longer.
  const isOff = event.key.length === 1 && !hasShortcuts();
  return !isOff && !isChord && !isTyped && !event.defaultPrevented && !shell.isAsking;
}

/** @param {Shell} shell */
export function followKeys(shell) {
  addEventListener('keydown', (event) => {
    if (!shell.wire.known.me || event.isComposing || isWall()) {
      return;
    }
    if (event.key === 'Escape' && !shell.isAsking) {
      close(event, shell);
    } else if (isForPage(event, shell) && means(event, shell)) {
      event.preventDefault();
    }
  });
}

/** @param {KeyboardEvent} event @param {Shell} shell */
const means = (event, shell) =>
  shell.opened?.key(event) || stepInList(event, LISTS) || general(event, shell);

/**
 * Leave a field, or else select nothing, or else close the messages: they may lie over what has the
 * focus. A dialog closes by itself.
 * @param {KeyboardEvent} event
 * @param {Shell} shell
 */
function close(event, shell) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest?.(FIELDS)) {
    back.go();
    back.go = focusMain;
  } else if (!shell.opened?.picking.clear()) {
    clearToasts();
  }
}

/**
 * @param {KeyboardEvent} event
 * @param {Shell} shell
 * @returns {boolean} whether the key means something
 */
function general(event, shell) {
  const place = Object.values(PLACES)[Number(event.key) - 1];
  if (place) {
    location.hash = linkTo(place[0]);
  } else if (event.key === '?') {
    help(shell);
  } else if (event.key === 'z') {
    return shell.undo.last();
  } else if (event.key === 'y') {
    return copyId(event, shell);
  } else if (event.key === '/') {
    const field = /** @type {HTMLInputElement | null} */ (
      document.querySelector('input[type=search]')
    );
    if (field && field !== document.activeElement) {
      back.go = lentFocus();
    }
    field?.focus();
    field?.select();
    return field !== null;
  } else {
    return false;
  }
  return true;
}

/**
 * Copy the id of the task that has the focus, or is open.
 * @param {KeyboardEvent} event
 * @param {Shell} shell
 */
function copyId(event, shell) {
  const target = /** @type {Element} */ (event.target);
  const node = /** @type {HTMLElement | null} */ (target.closest?.('[data-id]'));
  const { view, about } = shell.place;
  const id = node?.dataset.id ?? (view === 'task' ? about : '');
  if (id) {
    copied(id);
  }
  return id !== '';
}
