// How much waits for whoever looks: one number in the title and in the icon, whatever view is open.
//
// What waits is read by Next: at first, and again after news that may have changed it, but at most
// once in PAUSE_MS, or an office in which much happens would be asked for all the time.

import { cleaned } from '../core/cleaned.js';
import { toast } from '../core/toasts.js';
import { t } from '../parts/words.js';
import { placeOf } from '../rules/places.js';
import { arrived, concerns, numberOf } from '../rules/waiting.js';

/**
 * @typedef {import('./shell').Shell} Shell
 * @typedef {import('../wire/types').News} News
 * @typedef {import('../wire/types').Entry} Entry
 * @typedef {import('../wire/types').Waiting} Waiting
 */

const SOON_MS = 100;
const PAUSE_MS = 1000;
const AGAIN_MS = 5000;
const TOLD_MS = 12_000;
const TOLD_MAX = 3;
const ICON_MAX = 99;

export class Attention {
  /** @param {Shell} shell */
  constructor(shell) {
    this.#shell = shell;
    this.#plain = this.#link.href;
  }

  #shell;
  #link = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel=icon]'));
  /** The icon without a number. */
  #plain;

  /** The number that the icon has. */
  #drawn = '';
  #timer = 0;
  #readAt = 0;
  /** @type {Waiting | null} */
  #before = null;

  /** Take in news. @param {News} news */
  take(news) {
    const { me, waiting } = this.#shell.wire.known;
    if (news.waiting && waiting) {
      this.#tell(arrived(this.#before, waiting));
      this.#before = waiting;
      this.paint();
    }
    const isStale =
      news.afresh || news.unseen || news.events?.some((one) => me && concerns(one, me, waiting));
    if (isStale && !this.#timer) {
      this.#readIn(Math.max(SOON_MS, this.#readAt + PAUSE_MS - Date.now()));
    }
  }

  /** Read what waits, if it is a person who looks. */
  async read() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const { me, waiting } = this.#shell.wire.known;
    // Another who has signed in meanwhile is told of nothing that came before.
    this.#before = waiting;
    this.paint();
    if (!me?.user) {
      return;
    }
    this.#readAt = Date.now();
    try {
      await this.#shell.wire.ask('Next', {});
    } catch (error) {
      // Without a connection the next one reads it; else the daemon has much to do.
      console.warn(error);
      if (this.#shell.wire.state === 'open' && !this.#timer) {
        this.#readIn(AGAIN_MS);
      }
    }
  }

  /** Write the title and the icon. */
  paint() {
    const { me, waiting } = this.#shell.wire.known;
    const { opened, place } = this.#shell;
    const number = me ? numberOf(waiting) : '';
    const name = me && (opened?.title || t(`place.${placeOf(place.view)}`));
    const title = `${number && `(${number}) `}${name ? `${cleaned(name)} · ` : ''}TaskDash`;
    if (document.title !== title) {
      document.title = title;
    }
    if (number !== this.#drawn) {
      this.#drawn = number;
      this.#link.href = number ? drawn(waiting?.counts.all ?? 0) : this.#plain;
    }
  }

  /** @param {number} ms */
  #readIn(ms) {
    this.#timer = setTimeout(() => this.read(), ms);
  }

  /** @param {readonly Entry[]} entries */
  #tell(entries) {
    if (entries.length > TOLD_MAX) {
      toast(t('told.many', { n: entries.length }), { kind: 'note', ms: TOLD_MS });
      return;
    }
    for (const { why, name, id, word } of entries) {
      const what = t(`told.${why[0]}`, { name: name || id });
      toast(word ? t('told.word', { what, word }) : what, { kind: 'note', ms: TOLD_MS });
    }
  }
}

/** Draw the icon with a number. @param {number} n */
function drawn(n) {
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const text = n > ICON_MAX ? `${ICON_MAX}+` : `${n}`;
  const size = 24 - 5 * (text.length - 1);
  const picture =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">' +
    `<rect width="32" height="32" rx="7" fill="${color('--bad-bg')}"/>` +
    `<text x="16" y="${16 + size * 0.36}" font-size="${size}" font-family="sans-serif" ` +
    `font-weight="700" text-anchor="middle" fill="${color('--on-strong')}">${text}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}
