// The page as a whole: it owns the connection, the view that is open, and all lifetimes.

import { closeDialogs, isDialogOpen } from '../core/dialogs.js';
import { fill, h } from '../core/elements.js';
import { keepFocus, seekFocus } from '../core/focus.js';
import { followPresses } from '../core/presses.js';
import { followLists } from '../core/roving.js';
import { keep, kept } from '../core/storage.js';
import { onFrame } from '../core/timing.js';
import { clearToasts, showToasts, toast } from '../core/toasts.js';
import { perform } from '../parts/acting.js';
import { reason } from '../parts/reasons.js';
import { tick } from '../parts/time.js';
import { chosenLanguage, isReady, speak, t } from '../parts/words.js';
import { isWall, linkTo, parsePlace, placeOf } from '../rules/places.js';
import { daemonTime, nameOf } from '../wire/known.js';
import { Refused } from '../wire/refused.js';
import { Unnamed } from '../wire/unnamed.js';
import { Wire } from '../wire/wire.js';
import { Attention } from './attention.js';
import { paintBar } from './bar.js';
import { LISTS, followKeys } from './keys.js';
import { Opened } from './opened.js';
import { followPrinting } from './printing.js';
import { SignIn } from './signin.js';
import { paintState } from './state.js';
import { Undo } from './undo.js';
import { beginAnew, fetchView } from './views.js';

/**
 * @typedef {import('../rules/acts').Act} Act
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Reply} Reply
 * @typedef {import('../wire/wire').State} State
 */

/** Where it is kept that somebody has signed in in this browser, and not out. */
const SIGNED_IN = 'signed-in';
/** Where a tab keeps who has signed in there; nobody from when they have signed out. */
const MINE = 'user';
const RETRY_MS = 1500;

const herePlace = () => parsePlace(isWall() ? '#/now' : location.hash);

export class Shell {
  constructor() {
    // Beside the page, below whatever a proxy puts before it.
    const url = new URL('ws', location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const bearer = isWall() ? location.hash.slice(1) : '';
    this.wire = new Wire(url.href, bearer);
    this.wire.watch((state) => this.#stateChanged(state));
    this.attention = new Attention(this);
    this.unnamed = new Unnamed(this.wire);
    this.wire.follow((news) => {
      this.attention.take(news);
      this.unnamed.take(news.waiting ? (this.wire.known.waiting ?? {}) : news);
      this.opened?.take(news);
      if (news.people) {
        this.repaintBar();
      }
    });
    this.undo = new Undo(this);
    this.#signIn = new SignIn(this);
    this.repaintBar = onFrame(() => paintBar(this));
    addEventListener('hashchange', () => {
      this.#isTyping = false;
      isWall() ? location.reload() : this.show();
    });
    showToasts();
    keepFocus(this.#main);
    followKeys(this);
    followLists(LISTS);
    followPrinting(this);
    followPresses();
    addEventListener('resize', () => this.opened?.repaint());
    setInterval(() => {
      tick(daemonTime(this.wire.known));
      this.opened?.tick();
    }, 1000);
  }

  /** @type {Opened | null} */
  opened = null;
  /** The ids of the tasks of which an act is on its way. @type {Set<string>} */
  pending = new Set();
  place = herePlace();

  #signIn;
  #main = /** @type {HTMLElement} */ (document.getElementById('main'));
  /** Who was signed in when the session ended; what they see and type stays until they are back. */
  #was = '';
  #shown = '';
  /** Whether the last step was typing: what is typed next is the same step. */
  #isTyping = false;

  /** Begin: fetch the words, and connect as whoever the cookie says has signed in. */
  async begin() {
    const user = isWall() ? null : kept('tab', MINE);
    if (user === '') {
      this.wire.wait();
    } else if (isWall() || user || kept('browser', SIGNED_IN)) {
      this.wire.connect(user);
    } else {
      this.wire.begin();
    }
    // Where this fails it is said when the view is shown, which fetches it once more.
    fetchView(this.place.view).catch(() => null);
    await this.speak(chosenLanguage());
  }

  /** Speak a language from now on. @param {string} name */
  async speak(name) {
    try {
      await speak(name);
    } catch {
      // Without its words the page cannot say so: try again until they are there.
      setTimeout(() => this.speak(name), RETRY_MS);
      await beginAnew();
      return;
    }
    this.opened?.renew();
    /** @type {HTMLElement} */ (document.getElementById('skip')).textContent = t('skip');
    this.#stateChanged(this.wire.state);
    this.#signIn.repaint();
  }

  /** Show the view that the URL names. */
  async show() {
    if (!this.wire.known.me || !isReady()) {
      return;
    }
    const place = this.#myPlace(this.wire.known.me.user);
    const wanted = `${place.view}/${place.about}`;
    this.place = place;
    // At once: a click that has begun must not follow a link without the last letters of a search.
    paintBar(this);
    if (wanted === this.#shown) {
      // Where it is still being fetched it opens by itself: opened twice, it would close what
      // somebody has begun meanwhile.
      if (this.opened && String(place.filters) !== String(this.opened.place.filters)) {
        this.opened.move(place);
      }
      return;
    }
    this.#shown = wanted;
    let view;
    try {
      view = await fetchView(place.view);
    } catch (error) {
      // Forget that it is shown: the next connection tries once more.
      this.#shown = '';
      this.explain(error);
      return;
    }
    if (this.#shown !== wanted) {
      return;
    }
    const was = this.opened?.place;
    this.leave();
    seekFocus(was?.view === 'task' ? was.about : '');
    document.body.dataset.view = place.view;
    document.body.dataset.place = placeOf(place.view);
    this.#main.scrollTop = 0;
    this.opened = new Opened(view, this.place, this, this.#main);
    this.attention.paint();
    this.#shown = wanted;
  }

  /**
   * Read the URL. Each one in the browser's history belongs to whoever was there: of another
   * person's only the view counts, not what they have searched for.
   * @param {string} user
   */
  #myPlace(user) {
    const whose = history.state?.user ?? user;
    const place = herePlace();
    const href = whose === user ? location.hash : linkTo(place.view, place.about);
    if (!isWall() && (whose !== user || history.state === null)) {
      history.replaceState({ user }, '', href || null);
    }
    return herePlace();
  }

  /** Leave nothing of a person to the next one. */
  #forget() {
    this.#was = '';
    this.leave();
    clearToasts();
  }

  /** Leave the view that is open. */
  leave() {
    closeDialogs();
    this.opened?.leave();
    this.opened = null;
    this.#shown = '';
    this.#main.replaceChildren();
  }

  /**
   * Change the filters in the URL. Each change is one that Back undoes; typing is one in all. The
   * same filters are read again.
   * @param {Record<string, string>} changes
   * @param {{ typing: boolean }} [how]
   */
  refine(changes, { typing } = { typing: false }) {
    const { view, about, filters } = this.place;
    const changed = new URLSearchParams(filters);
    for (const [name, value] of Object.entries(changes)) {
      value ? changed.set(name, value) : changed.delete(name);
    }
    const goesOn = typing && this.#isTyping;
    this.#isTyping = typing;
    const href = linkTo(view, about, changed);
    if (href === linkTo(view, about, filters)) {
      this.opened?.move(this.place);
      return;
    }
    const { state } = history;
    goesOn ? history.replaceState(state, '', href) : history.pushState(state, '', href);
    this.show();
  }

  /**
   * Do an act with a task, or some, one after another; each after asking for what it needs.
   * @param {Act | Act[]} acts
   * @param {Task} task
   * @returns {Promise<boolean>} whether all were done
   */
  async act(acts, task) {
    if (this.pending.has(task.id)) {
      return false;
    }
    const ask = (/** @type {any} */ op, /** @type {any} */ body) =>
      this.askAbout(task.id, op, body);
    const undo = (/** @type {Reply} */ reply) => this.undo.offer([{ before: task, reply }]);
    for (const act of [acts].flat()) {
      if (!(await perform(act, task, { known: () => this.wire.known, ask, undo }))) {
        return false;
      }
    }
    return true;
  }

  /**
   * Ask for an act with a task; meanwhile the page shows that it is on its way.
   * @param {string} id
   * @param {keyof import('../wire/types').Requests} op
   * @param {any} body
   * @returns {Promise<Reply>}
   */
  async askAbout(id, op, body) {
    this.#setPending(id, true);
    try {
      return await this.wire.ask(op, body);
    } finally {
      this.#setPending(id, false);
    }
  }

  /** @param {string} id @param {boolean} isPending */
  #setPending(id, isPending) {
    // Another set each time: a view sees by it that something has changed.
    this.pending = new Set(this.pending);
    isPending ? this.pending.add(id) : this.pending.delete(id);
    this.opened?.repaint();
  }

  /** Say why something was refused. @param {unknown} error */
  explain(error) {
    if (!(error instanceof Refused)) {
      // A fault of the page's own: whoever looks into the console finds it whole.
      console.error(error);
    }
    toast(reason(error, this.wire.known), { kind: 'bad' });
  }

  /** End the sign-in of whoever is signed in here. @param {boolean} everywhere */
  async signOut(everywhere) {
    try {
      await this.wire.post('Logout', { everywhere });
    } catch (error) {
      this.explain(error);
      return;
    }
    this.#forget();
    keep('browser', SIGNED_IN, null);
    keep('tab', MINE, '');
    this.wire.disconnect();
    this.attention.paint();
    this.#signIn.ask();
  }

  /** @param {State} state */
  #stateChanged(state) {
    if (!isReady()) {
      return;
    }
    paintState(this);
    const { me } = this.wire.known;
    if (state === 'out' && isWall()) {
      this.leave();
      this.wire.disconnect();
      fill(this.#main, h('div.welcome', { role: 'status' }, h('p', null, t('wall.over'))));
    } else if (state === 'out') {
      keep('browser', SIGNED_IN, null);
      // Another person must not find what this one has seen; the same one finds all as it was.
      this.#was = me?.user ?? this.#was;
      this.#signIn.ask(
        this.#was ? t('signin.ended', { name: nameOf(this.wire.known, this.#was) }) : '',
      );
    } else if (state === 'open' && me) {
      this.#signIn.done();
      keep('browser', SIGNED_IN, '1');
      isWall() || keep('tab', MINE, me.user);
      if (this.#was && this.#was !== me.user) {
        this.#forget();
      }
      this.#was = me.user;
      this.repaintBar();
      this.attention.read();
      this.show();
    }
  }

  /** Whether keys are meant for a dialog. */
  get isAsking() {
    return isDialogOpen();
  }
}
