// What is selected in the view that is open: by Ctrl or Shift and a click, or by a key. The bar of
// what can be done with it is fetched with the first.

import { toast } from '../core/toasts.js';
import { t } from '../parts/words.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../parts/page').Picking} Selection
 * @typedef {readonly (readonly Task[])[]} Lists
 */

/** More is hardly meant, and would keep people waiting. */
const MOST = 100;
const KEY = 'v';

/** @implements {Selection} */
export class Picking {
  /**
   * @param {() => Lists | undefined} lists gives the tasks that may be selected, as they are shown
   * @param {() => void} begin called with the first that is selected
   * @param {() => void} repaint
   */
  constructor(lists, begin, repaint) {
    this.#lists = lists;
    this.#begin = begin;
    this.#repaint = repaint;
  }

  #lists;
  #begin;
  #repaint;
  /** The last that was selected: from there on Shift selects. */
  #last = '';
  /** @type {ReadonlySet<string>} */
  ids = new Set();
  /** @type {readonly Task[]} */
  tasks = [];
  /** @type {Selection['onpaint']} */
  onpaint = undefined;

  /** @type {import('../parts/page').Picking['pick']} */
  pick(id, isRange = false) {
    const lists = this.#lists();
    if (!lists?.flat().some((one) => one.id === id)) {
      return false;
    }
    const ids = new Set(this.ids);
    if (isRange) {
      between(lists, this.ids.has(this.#last) ? this.#last : id, id).forEach((one) => ids.add(one));
    } else {
      ids.delete(id) || ids.add(id);
    }
    if (ids.size > MOST) {
      toast(t('picked.most', { n: MOST }), { kind: 'note' });
    }
    this.#last = id;
    const isFirst = this.ids.size === 0;
    this.ids = new Set([...ids].slice(0, MOST));
    isFirst && this.#begin();
    this.#repaint();
    return true;
  }

  /** Do what a key means; gives whether it means anything. @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {Element} */ (event.target);
    const node = /** @type {HTMLElement | null} */ (target.closest?.('[data-id]'));
    const isMeant = event.key.toLowerCase() === KEY && node !== null;
    return isMeant && (event.repeat || this.pick(node.dataset.id ?? '', event.key !== KEY));
  }

  /** @returns {boolean} whether anything was selected */
  clear() {
    const was = this.ids.size > 0;
    if (was && document.activeElement?.closest('#picked')) {
      const card = document.querySelector(`[data-id="${CSS.escape(this.#last)}"] a`);
      /** @type {HTMLElement | null} */ (card)?.focus();
    }
    this.ids = new Set();
    this.#repaint();
    return was;
  }

  /** Take in how the tasks are by now: what the view no longer shows is no longer selected. */
  settle() {
    if (this.ids.size > 0 || this.tasks.length > 0) {
      this.tasks = (this.#lists() ?? []).flat().filter(({ id }) => this.ids.has(id));
      if (this.tasks.length < this.ids.size) {
        this.ids = new Set(this.tasks.map(({ id }) => id));
      }
    }
  }
}

/**
 * Give the ids from one task to another; the other's alone where they are not in the same list.
 * @param {Lists} lists
 * @param {string} from
 * @param {string} to
 */
function between(lists, from, to) {
  const placeOf = (/** @type {readonly Task[]} */ list, /** @type {string} */ id) =>
    list.findIndex((one) => one.id === id);
  const list = lists.find((one) => placeOf(one, from) >= 0 && placeOf(one, to) >= 0) ?? [];
  const ends = [placeOf(list, from), placeOf(list, to)];
  const ids = list.slice(Math.min(...ends), Math.max(...ends) + 1).map(({ id }) => id);
  return list.length > 0 ? ids : [to];
}
