// What keys do everywhere; a view is asked first.

import { copied } from '../parts/copying.js';
import { PLACES, isWall, linkTo } from '../rules/places.js';
import { help } from './bar.js';

/** @typedef {import('./shell').Shell} Shell */

const FIELDS = 'input, textarea, select';

/**
 * Whether a key was meant for the page, and not for a field, a dialog, a menu or an input method.
 * @param {KeyboardEvent} event
 * @param {Shell} shell
 */
function isForPage(event, shell) {
  const isChord = event.ctrlKey || event.metaKey || event.altKey;
  const target = /** @type {Element} */ (event.target);
  const isTyped = event.isComposing || Boolean(target.closest?.(FIELDS));
  return !isChord && !isTyped && !event.defaultPrevented && !shell.isAsking;
}

/** @param {Shell} shell */
export function followKeys(shell) {
  addEventListener('keydown', (event) => {
    if (!shell.wire.known.me || event.isComposing || isWall()) {
      return;
    }
    if (event.key === 'Escape' && !shell.isAsking) {
      goBack(event, shell);
    } else if (isForPage(event, shell) && (shell.opened?.key(event) || general(event, shell))) {
      event.preventDefault();
    }
  });
}

/** @param {KeyboardEvent} event @param {Shell} shell */
function goBack(event, shell) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest?.(FIELDS)) {
    target.blur();
  } else if (shell.opened?.picking.clear()) {
    // What was selected is not; nothing else is meant.
  } else if (shell.place.view === 'task') {
    // Where this is the first view, history.back() would leave the page for the site before it.
    history.length > 1 ? history.back() : (location.hash = linkTo('list'));
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
    help();
  } else if (event.key === 'z') {
    return shell.undo.last();
  } else if (event.key === 'y') {
    return copyId(event, shell);
  } else if (event.key === '/') {
    const field = /** @type {HTMLInputElement | null} */ (
      document.querySelector('input[type=search]')
    );
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
