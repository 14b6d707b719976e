// The page's connection to the daemon: one websocket for requests, replies and news.
//
// The daemon is heard every few seconds, if only by a beat. Where nothing is heard for SILENT_MS,
// the connection counts as lost, whatever the browser believes: it is given up, and another one
// opened, on which the daemon tells what was missed since the last rev that the page knows.

import { parsed, written } from '../core/json.js';
import { NOBODY, took } from './known.js';
import { ACT_MS, OPENING_MS, READ_MS, SILENT_MS, between, pauseAfter, present } from './pace.js';
import { isNobody, posted, told } from './post.js';
import { AWAY, LATE, Refused, UNKNOWN } from './refused.js';

/**
 * @typedef {import('./types').Known} Known
 * @typedef {import('./types').News} News
 * @typedef {import('./types').Reply} Reply
 * @typedef {import('./types').Requests} Requests
 * @typedef {'closed' | 'opening' | 'open' | 'lost' | 'out'} State
 */

/**
 * A request whose answer is still to come.
 * @typedef {{
 *   op: string,
 *   body: object,
 *   resolve: (reply: Reply) => void,
 *   reject: (why: unknown) => void,
 *   isSent: boolean,
 *   timer: number,
 *   end: () => void,
 * }} Asked `end` ends what else waits for its answer
 */

const LISTEN_MS = 1_000;

/** What may be asked again on another connection: nothing is changed by it. */
const READS = new Set([
  ...['Query', 'Find', 'Audit', 'People', 'Services', 'Figures', 'Status', 'Calendars', 'Next'],
  ...['Names', 'Views'],
]);

export class Wire {
  /**
   * @param {string} url where the websocket is
   * @param {string} [bearer] the token to ask by, as nobody in particular: cookies are left out
   */
  constructor(url, bearer = '') {
    this.#url = url;
    this.#bearer = bearer;
    setInterval(() => this.#listen(), LISTEN_MS);
    // A laptop that wakes, or a network that is back, need not wait for the next try.
    for (const kind of ['online', 'focus', 'pageshow']) {
      addEventListener(kind, () => this.#hurry());
    }
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
  }

  /** @type {Known} */
  known = NOBODY;
  /** @type {State} */
  state = 'closed';
  /** When the daemon was last heard, in milliseconds of the browser's clock. */
  heardAt = 0;

  #url;
  #bearer;
  /** As whom the page asks; null until it has learned who signed in last in this browser. */
  #user = /** @type {string | null} */ (null);
  /** @type {WebSocket | null} */
  #socket = null;
  #openedAt = present();
  #heard = present();
  /** What the daemon last counted, and when that was. @type {{ ms: number, at: number } | null} */
  #beat = null;
  #seq = 0;
  #tries = 0;
  /** The end of the present try, or the pause before the next. */
  #timer = 0;
  /** What `about` has said as a connection was refused. @type {Reply | null} */
  #asks = null;
  /** @type {Map<number, Asked>} */
  #asked = new Map();
  /** @type {Set<(news: News) => void>} */
  #followers = new Set();
  /** @type {Set<(state: State) => void>} */
  #watchers = new Set();

  /** Call a function with all news. @param {(news: News) => void} call */
  follow(call) {
    this.#followers.add(call);
  }

  /** Call a function whenever the state changes. @param {(state: State) => void} call */
  watch(call) {
    this.#watchers.add(call);
  }

  /**
   * Ask over the websocket. A read waits for the next connection where there is none; anything else
   * is refused then: it would be done when nobody looks any more.
   * @template {keyof Requests} Op
   * @param {Op} op
   * @param {Requests[Op]} body
   * @param {AbortSignal} [signal] ends the waiting
   * @returns {Promise<Reply>} Rejects with `Refused`, or with the signal's reason
   */
  ask(op, body, signal) {
    return new Promise((resolve, reject) => {
      // A machine that has just woken believes in a connection that has long been dead.
      this.#listen();
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      if (READS.has(op) ? this.state === 'closed' : !this.#isAlive()) {
        reject(this.#away());
        return;
      }
      const seq = ++this.#seq;
      const left = () => this.#fail(seq, signal?.reason);
      signal?.addEventListener('abort', left);
      const end = () => signal?.removeEventListener('abort', left);
      this.#asked.set(seq, { op, body, resolve, reject, isSent: false, timer: 0, end });
      this.#send();
    });
  }

  /** Whether an act can be sent at once, and the daemon be told until when to do it. */
  #isAlive() {
    const isOpen = this.state === 'open' && this.#socket?.readyState === WebSocket.OPEN;
    return isOpen && this.#beat !== null;
  }

  /** Give the refusal of what was not sent. */
  #away() {
    const since = this.heardAt && new Date(this.heardAt).toISOString();
    return new Refused({ errid: AWAY, ...(since && { values: { since } }) });
  }

  /**
   * Ask by POST: what sets a cookie cannot go over the websocket. But for a sign-in it is asked as
   * whoever the page is.
   * @template {keyof Requests} Op
   * @param {Op} op
   * @param {Requests[Op]} body
   * @returns {Promise<Reply>} Rejects with `Refused`; at once while nothing is heard
   */
  async post(op, body) {
    this.#listen();
    if (this.state === 'lost' && this.known.me) {
      throw this.#away();
    }
    const query = op === 'Login' ? '' : this.#query();
    return posted(op, query, body, () => this.#away());
  }

  /**
   * Connect as somebody who has signed in in this browser.
   * @param {string | null} user null for who did so last
   */
  connect(user) {
    if (this.state === 'closed' || this.state === 'out') {
      this.#user = user;
      this.#open();
    }
  }

  /** Have somebody sign in first. */
  wait() {
    this.#become('out');
  }

  /** Connect if somebody has signed in; a connection that is refused is one request more. */
  async begin() {
    this.#asks = await this.#about();
    isNobody(this.#asks, this.#bearer) ? this.wait() : this.connect(null);
  }

  /** End the connection, and forget all that is known: the next to sign in may be somebody else. */
  disconnect() {
    this.#drop();
    clearTimeout(this.#timer);
    for (const [seq, { isSent }] of [...this.#asked]) {
      this.#fail(seq, isSent ? new Refused({ errid: UNKNOWN }) : this.#away());
    }
    this.known = NOBODY;
    this.#user = null;
    this.#become('closed');
  }

  #open() {
    clearTimeout(this.#timer);
    this.#drop();
    const { rev, sight } = this.known;
    const query = this.#query(rev === null ? {} : { since: `${rev}`, sight });
    // A page can set no header of a websocket but its protocols: the token is one of them.
    const protocols = this.#bearer ? ['taskdash', `bearer.${this.#bearer}`] : [];
    const mine = new WebSocket(`${this.#url}${query}`, protocols);
    this.#socket = mine;
    this.#openedAt = present();
    this.#timer = setTimeout(() => this.#lost(), OPENING_MS);
    if (this.state !== 'lost') {
      this.#become('opening');
    }
    mine.onmessage = ({ data }) => this.#take(parsed(data));
    mine.onclose = ({ code }) => this.#closed(code === 1008);
  }

  /**
   * Give the query that says as whom the page asks: the cookie is all tabs', and somebody else may
   * have signed in in another one since.
   * @param {Record<string, string>} [more]
   */
  #query(more = {}) {
    const whom = this.#user === null ? null : { as: this.#user };
    const query = new URLSearchParams({ ...more, ...whom });
    return query.size ? `?${query}` : '';
  }

  /** Give a connection up: nothing that still comes over it counts. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#beat = null;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  /** @param {boolean} isOut whether the daemon has ended the sign-in */
  async #closed(isOut) {
    if (this.state !== 'open' && !isOut) {
      // A browser hides why a websocket was refused: ask whether the person is still signed in.
      this.#drop();
      clearTimeout(this.#timer);
      const left_ms = OPENING_MS - between(this.#openedAt, present());
      this.#asks = await this.#about(Math.max(LISTEN_MS, left_ms));
      if (this.state === 'closed' || this.#socket) {
        return;
      }
      this.#lost(isNobody(this.#asks, this.#bearer));
    } else {
      this.#lost(isOut);
    }
  }

  /**
   * Give the connection up, and try another one, unless nobody is signed in any more.
   * @param {boolean} [isOut]
   */
  #lost(isOut = false) {
    this.#drop();
    clearTimeout(this.#timer);
    for (const [seq, one] of [...this.#asked]) {
      clearTimeout(one.timer);
      one.isSent = false;
      if (!READS.has(one.op)) {
        this.#fail(seq, new Refused({ errid: UNKNOWN }));
      }
    }
    if (!isOut) {
      const spent_ms = between(this.#openedAt, present());
      const pause_ms = pauseAfter(this.#tries++, spent_ms, Math.random());
      this.#timer = setTimeout(() => this.#open(), pause_ms);
    }
    this.#become(isOut ? 'out' : 'lost');
  }

  /**
   * Give what the sign-in must know; what was just learned with the refusal is not asked again.
   * @returns {Promise<Reply | null>} null where nobody answers
   */
  async asksOf() {
    const known = this.#asks;
    this.#asks = null;
    return known ?? this.#about();
  }

  /** @param {number} [ms] how long to wait for the answer */
  #about = (ms = OPENING_MS) => told(this.#query(), this.#bearer, ms);

  /** Give up a connection on which nothing is heard. */
  #listen() {
    if (this.state === 'open' && between(this.#heard, present()) > SILENT_MS) {
      this.#lost();
    }
  }

  #hurry() {
    if (this.state === 'lost' && !this.#socket) {
      this.#tries = 0;
      this.#open();
    }
  }

  #send() {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.state !== 'open') {
      return;
    }
    for (const [seq, one] of this.#asked) {
      if (!one.isSent) {
        const isRead = READS.has(one.op);
        const late = () => this.#fail(seq, new Refused({ errid: isRead ? LATE : UNKNOWN }));
        one.isSent = true;
        one.timer = setTimeout(late, isRead ? READ_MS : ACT_MS);
        // An act that lies in a dead network's buffer until it lives again must not be done then.
        const by = isRead ? {} : { by: this.#daemonTime() + ACT_MS };
        this.#socket.send(written({ seq, op: one.op, body: one.body, ...by }));
      }
    }
  }

  /** Give the daemon's time, in the milliseconds that it counts in its beats. */
  #daemonTime() {
    const { ms, at } = this.#beat ?? { ms: 0, at: 0 };
    return Math.round(ms + performance.now() - at);
  }

  /** @param {number} seq @returns {Asked | undefined} what was asked, for which nobody waits now */
  #settled(seq) {
    const one = this.#asked.get(seq);
    this.#asked.delete(seq);
    clearTimeout(one?.timer);
    one?.end();
    return one;
  }

  /** @param {number} seq @param {unknown} why */
  #fail(seq, why) {
    this.#settled(seq)?.reject(why);
  }

  /** @param {any} message */
  #take(message) {
    this.#heard = present();
    this.heardAt = this.#heard.wall;
    if (message.seq !== undefined) {
      this.#answered(message);
      return;
    }
    if (message.beat !== undefined) {
      this.#beat = { ms: message.beat, at: performance.now() };
      return;
    }
    if (message.me && !this.#bearer) {
      this.#user ??= message.me.user;
      if (message.me.user !== this.#user) {
        this.#lost(true);
        return;
      }
    }
    const [known, news] = took(this.known, message, this.heardAt);
    this.known = known;
    if (message.me) {
      this.#tries = 0;
      clearTimeout(this.#timer);
      this.#become('open');
      this.#send();
    }
    if (Object.keys(news).length) {
      this.learn(known, news);
    }
  }

  /** @param {Reply} reply */
  #answered(reply) {
    if (reply.errid) {
      this.#fail(reply.seq, new Refused(/** @type {any} */ (reply)));
      return;
    }
    const one = this.#settled(reply.seq);
    if (one?.op === 'Figures') {
      // The whole day: what is told from now on continues it.
      this.learn({ ...this.known, figures: /** @type {any} */ (reply) }, { figures: true });
    } else if (one?.op === 'Next') {
      const waiting = /** @type {import('./types').Waiting} */ (/** @type {any} */ (reply));
      this.learn({ ...this.known, waiting }, { waiting: true });
    }
    one?.resolve(reply);
  }

  /** Know more, and tell of it. @param {Known} known @param {News} news */
  learn(known, news) {
    this.known = known;
    for (const call of this.#followers) {
      call(news);
    }
  }

  /** @param {State} state */
  #become(state) {
    if (this.state !== state) {
      this.state = state;
      for (const call of this.#watchers) {
        call(state);
      }
    }
  }
}
