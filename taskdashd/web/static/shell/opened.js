// A view that is open: its model, its place, and its lifetime, which ends with one abort.

import { fill } from '../core/elements.js';
import { afterPress, oneAtATime } from '../core/presses.js';
import { rove } from '../core/roving.js';
import { later, onFrame } from '../core/timing.js';
import { differInSight, isWall, linkTo } from '../rules/places.js';
import { isLeft, isPassing } from '../wire/refused.js';
import { LISTS } from './keys.js';
import { Picking } from './picking.js';
import { fetchMenu } from './views.js';

/**
 * @typedef {import('../parts/page').View<any>} View
 * @typedef {import('../rules/places').Place} Place
 * @typedef {import('../rules/acts').Act} Act
 * @typedef {import('../wire/types').News} News
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('./shell').Shell} Shell
 * @typedef {import('../parts/page').Page<any>} Page
 */

const AGAIN_MS = 5_000;

/** @implements {Page} */
export class Opened {
  /**
   * @param {View} view
   * @param {Place} place
   * @param {Shell} shell
   * @param {Element} node where the view is painted
   */
  constructor(view, place, shell, node) {
    this.place = place;
    this.#view = view;
    this.#shell = shell;
    this.#node = node;
    this.model = view.start(place, shell.wire.known);
    this.#readLater = later(AGAIN_MS, () => this.#read(), this.signal);
    const paint = () => this.signal.aborted || this.paint();
    this.repaint = onFrame(() => afterPress(paint), this.signal);
    this.paint();
    this.#read();
  }

  #view;
  #shell;
  #node;
  #life = new AbortController();
  #isReading = false;
  #menus = oneAtATime();
  #isStale = false;
  #readLater;

  /** @type {any} */
  model;
  picking = new Picking(
    () => this.#view.tasks?.(this.model),
    () => this.#fetchBar(),
    () => this.repaint(),
  );
  signal = this.#life.signal;

  get known() {
    return this.#shell.wire.known;
  }

  get pending() {
    return this.#shell.pending;
  }

  /** Leave the view: all that it has begun ends. */
  leave() {
    this.#life.abort(new DOMException('the view was left', 'AbortError'));
  }

  /** Show the same view with other filters. @param {Place} place */
  move(place) {
    const isOfSight = differInSight(this.place.filters, place.filters);
    this.place = place;
    this.repaint();
    if (!isOfSight) {
      this.model = this.#view.start(place, this.known);
      this.#read();
    }
  }

  /** Take in news. @param {News} news */
  take(news) {
    if (this.#view.take) {
      this.model = this.#view.take(this.model, news, this.known, this.place);
    }
    if (news.afresh || this.#view.reads?.(news, this.known, this.model)) {
      this.#read();
    }
    this.repaint();
  }

  /** Paint what moves on with the time. */
  tick() {
    if (this.#view.ticks) {
      this.repaint();
    }
  }

  /** Whether there is more of the view than was read. */
  get isPart() {
    return this.#view.isPart?.(this.model) ?? false;
  }

  /** Read all there is, for whoever prints it. */
  async readAll() {
    try {
      await this.#view.readAll?.(this);
    } catch (error) {
      this.explain(error);
    }
  }

  /** What the page is called while the view is open; empty where its place says it. */
  get title() {
    return this.#view.title?.(this) ?? '';
  }

  /** Give what a key means here a chance. @param {KeyboardEvent} event */
  key(event) {
    return this.#view.key?.(event, this) || this.picking.key(event);
  }

  /** @type {import('../parts/page').Page<any>['link']} */
  link(view, about = '', filters = this.place.filters) {
    // Nobody stands before a screen on a wall: what can be followed there would only be a fault.
    return isWall() ? null : linkTo(view, about, filters);
  }

  /** @param {string} href */
  go(href) {
    location.hash = href;
  }

  /** @type {import('../parts/page').Page<any>['refine']} */
  refine(changes, how) {
    this.#shell.refine(changes, how);
  }

  /** @param {(model: any) => any} change */
  update(change) {
    if (!this.signal.aborted) {
      this.model = change(this.model);
      this.repaint();
    }
  }

  /** @type {import('../parts/page').Page<any>['ask']} */
  async ask(op, body) {
    const reply = await this.#shell.wire.ask(op, body, this.signal);
    this.#shell.unnamed.take(reply);
    return reply;
  }

  /** @param {Act | Act[]} acts @param {Task} task */
  act(acts, task) {
    return this.#shell.act(acts, task);
  }

  /** @type {import('../parts/page').Page<any>['askAbout']} */
  askAbout(id, op, body) {
    return this.#shell.askAbout(id, op, body);
  }

  /** @type {import('../parts/page').Page<any>['undo']} */
  undo(done, tell) {
    return this.#shell.undo.offer(done, tell);
  }

  async #fetchBar() {
    try {
      const menu = await fetchMenu('picked');
      this.signal.aborted || this.picking.onpaint || (await menu(this));
    } catch (error) {
      this.picking.clear();
      this.explain(error);
    }
  }

  /** @param {string} name */
  menu(name) {
    return this.#menus(async () => {
      try {
        const menu = await fetchMenu(name);
        this.signal.aborted || (await menu(this));
      } catch (error) {
        this.explain(error);
      }
    });
  }

  /** @param {unknown} error */
  explain(error) {
    if (!isLeft(error)) {
      this.#shell.explain(error);
    }
  }

  /** Paint all anew, in another language. */
  renew() {
    this.#node.replaceChildren();
    this.paint();
    // How much a view paints may depend on how high it stands.
    this.repaint();
  }

  /** Paint now; `repaint` does so before the next frame. */
  paint() {
    this.picking.settle();
    fill(this.#node, this.#view.paint(this));
    this.picking.onpaint?.();
    rove(this.#node, LISTS);
    this.#shell.attention.paint();
  }

  /** Read once at a time: what is asked for meanwhile is read once more, at the end. */
  #read() {
    if (!this.#view.read) {
      return;
    }
    this.#isStale = true;
    if (!this.#isReading) {
      this.#isReading = true;
      this.#readOn().finally(() => {
        this.#isReading = false;
      });
    }
  }

  async #readOn() {
    while (this.#isStale && !this.signal.aborted) {
      this.#isStale = false;
      try {
        await this.#view.read?.(this);
      } catch (error) {
        this.explain(error);
        if (isPassing(error)) {
          this.#readLater();
        }
      }
    }
  }
}
