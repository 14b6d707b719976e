// The page's connection to the daemon: one websocket for requests, replies and news.
//
// The daemon is heard every few seconds, if only by a beat. Where nothing is heard for SILENT_MS,
// the connection counts as lost, whatever the browser believes: it is given up, and another one
// opened, on which the daemon tells what was missed since the last rev that the page knows.

import { NOBODY, took } from './known.js';
import { AWAY, Refused, UNKNOWN } from './refused.js';

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
 * }} Asked
 */

export const SILENT_MS = 15_000;
/** After this long without an answer it is not known whether an act was done. */
export const ACT_MS = 5_000;
const READ_MS = 30_000;
const NOT_ALLOWED = 1003;
const OPENING_MS = 5_000;
const RETRY_MS_MAX = 4_000;
const POST_MS = 15_000;

/** What may be asked again on another connection: nothing is changed by it. */
const READS = new Set([
  ...['Query', 'Find', 'Audit', 'People', 'Services', 'Figures', 'Status', 'Calendars', 'Next'],
]);

export class Wire {
  /**
   * @param {string} url where the websocket is
   * @param {string} [bearer] the token to ask by, as nobody in particular: cookies are left out
   */
  constructor(url, bearer = '') {
    this.#url = url;
    this.#bearer = bearer;
    setInterval(() => this.#listen(), 1000);
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
  /** @type {WebSocket | null} */
  #socket = null;
  #openedAt = 0;
  #beat = 0;
  #beatenAt = 0;
  #seq = 0;
  #tries = 0;
  #timer = 0;
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
      const isRead = READS.has(op);
      if (signal?.aborted || this.state === 'closed' || (!isRead && this.state !== 'open')) {
        reject(signal?.aborted ? signal.reason : new Refused({ errid: AWAY }));
        return;
      }
      const seq = ++this.#seq;
      const late = () => this.#fail(seq, new Refused({ errid: isRead ? AWAY : UNKNOWN }));
      const timer = setTimeout(late, isRead ? READ_MS : ACT_MS);
      this.#asked.set(seq, { op, body, resolve, reject, isSent: false, timer });
      signal?.addEventListener('abort', () => this.#fail(seq, signal.reason));
      this.#send();
    });
  }

  /**
   * Ask by POST: what sets a cookie cannot go over the websocket.
   * @template {keyof Requests} Op
   * @param {Op} op
   * @param {Requests[Op]} body
   * @returns {Promise<Reply>} Rejects with `Refused`
   */
  async post(op, body) {
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(POST_MS);
    let reply;
    try {
      const sent = { method: 'POST', headers, body: JSON.stringify(body), signal };
      reply = await (await fetch(`/api/v1/${op}`, sent)).json();
    } catch {
      throw new Refused({ errid: AWAY });
    }
    if (reply.errid) {
      throw new Refused(reply);
    }
    return reply;
  }

  /** Connect, as whoever the cookie says has signed in. */
  connect() {
    if (this.state === 'closed' || this.state === 'out') {
      this.#open();
    }
  }

  /** End the connection, and forget all that is known: the next to sign in may be somebody else. */
  disconnect() {
    this.#drop();
    clearTimeout(this.#timer);
    for (const seq of [...this.#asked.keys()]) {
      this.#fail(seq, new Refused({ errid: AWAY }));
    }
    this.known = NOBODY;
    this.#become('closed');
  }

  #open() {
    clearTimeout(this.#timer);
    this.#drop();
    const { rev, sight } = this.known;
    const since = rev === null ? '' : `?since=${rev}&sight=${sight}`;
    // A page can set no header of a websocket but its protocols: the token is one of them.
    const protocols = this.#bearer ? ['taskdash', `bearer.${this.#bearer}`] : [];
    const mine = new WebSocket(`${this.#url}${since}`, protocols);
    this.#socket = mine;
    this.#openedAt = Date.now();
    if (this.state !== 'lost') {
      this.#become('opening');
    }
    mine.onmessage = ({ data }) => this.#take(JSON.parse(data));
    mine.onclose = ({ code }) => this.#lost(code === 1008);
  }

  /** Give a connection up: nothing that still comes over it counts. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  /** @param {boolean} isOut whether the daemon has ended the sign-in */
  async #lost(isOut) {
    const wasOpen = this.state === 'open';
    this.#drop();
    for (const [seq, one] of this.#asked) {
      if (READS.has(one.op)) {
        one.isSent = false;
      } else if (one.isSent) {
        this.#fail(seq, new Refused({ errid: UNKNOWN }));
      }
    }
    // A browser hides why a websocket was refused: ask whether the person is still signed in.
    const nobody = isOut || (!wasOpen && this.#isNobody(await this.about()));
    if (this.state === 'closed' || this.#socket) {
      return;
    }
    if (nobody) {
      this.#become('out');
      return;
    }
    this.#become('lost');
    const pause = Math.min(RETRY_MS_MAX, 250 * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#open(), pause);
  }

  /**
   * Ask what the sign-in must know, and who the cookie says has signed in.
   * @returns {Promise<Reply | null>} null where nobody answers
   */
  about() {
    const signal = AbortSignal.timeout(OPENING_MS);
    const headers = { authorization: `Bearer ${this.#bearer}` };
    /** @type {RequestInit} */
    const how = this.#bearer ? { signal, headers, credentials: 'omit' } : { signal };
    return fetch('/api/v1/about', how)
      .then((answer) => answer.json())
      .catch(() => null);
  }

  /** Whether an answer says that nobody is signed in. @param {Reply | null} asks */
  #isNobody(asks) {
    return this.#bearer ? asks?.errid === NOT_ALLOWED : asks?.user === '';
  }

  /** Give up a connection on which nothing is heard. */
  #listen() {
    const since = this.state === 'open' ? this.heardAt : this.#openedAt;
    const patience_ms = this.state === 'open' ? SILENT_MS : OPENING_MS;
    if (this.#socket && Date.now() - since > patience_ms) {
      this.#lost(false);
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
        one.isSent = true;
        // An act that lies in a dead network's buffer until it lives again must not be done then.
        const by = READS.has(one.op) ? {} : { by: this.#daemonTime() + ACT_MS };
        this.#socket.send(JSON.stringify({ seq, op: one.op, body: one.body, ...by }));
      }
    }
  }

  /** Give the daemon's time, in the milliseconds that it counts in its beats. */
  #daemonTime() {
    return Math.round(this.#beat + performance.now() - this.#beatenAt);
  }

  /** @param {number} seq @param {unknown} why */
  #fail(seq, why) {
    const one = this.#asked.get(seq);
    if (one) {
      this.#asked.delete(seq);
      clearTimeout(one.timer);
      one.reject(why);
    }
  }

  /** @param {any} message */
  #take(message) {
    this.heardAt = Date.now();
    if (message.seq !== undefined) {
      const one = this.#asked.get(message.seq);
      if (message.errid) {
        this.#fail(message.seq, new Refused(message));
      } else if (one) {
        this.#asked.delete(message.seq);
        clearTimeout(one.timer);
        if (one.op === 'Figures') {
          // The whole day: what is told from now on continues it.
          this.known = { ...this.known, figures: message };
          this.#tell({ figures: true });
        } else if (one.op === 'Next') {
          const waiting = /** @type {import('./types').Waiting} */ (/** @type {any} */ (message));
          this.known = { ...this.known, waiting };
          this.#tell({ waiting: true });
        }
        one.resolve(message);
      }
      return;
    }
    if (message.beat !== undefined) {
      this.#beat = message.beat;
      this.#beatenAt = performance.now();
      return;
    }
    const [known, news] = took(this.known, message, this.heardAt);
    this.known = known;
    if (message.me) {
      this.#tries = 0;
      this.#become('open');
      this.#send();
    }
    if (Object.keys(news).length) {
      this.#tell(news);
    }
  }

  /** @param {News} news */
  #tell(news) {
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
