// Who is named by tasks without that the page knows what they are called: people outside of one's
// groups. Their names are asked for by the tasks that name them, each number once.

import { named } from './known.js';

/**
 * @typedef {import('./types').Known} Known
 * @typedef {import('./types').News} News
 * @typedef {import('./types').Reply} Reply
 * @typedef {import('./types').Task} Task
 * @typedef {{
 *   readonly known: Known,
 *   ask: (op: 'Names', body: { ids: string[] }) => Promise<Reply>,
 *   learn: (known: Known, news: News) => void,
 * }} Asked the connection
 */

const MEMBERS = ['user', 'checker', 'submitted_by', 'freed_from'];
/** Where replies hold tasks: a Query's, and the sections of Next. */
const LISTS = ['tasks', 'now', 'queue', 'to_answer', 'returned'];
const IDS_MAX = 500;
const GATHER_MS = 30;

export class Unnamed {
  /** @param {Asked} wire */
  constructor(wire) {
    this.#wire = wire;
  }

  #wire;
  /** The numbers whose names were asked for: some belong to no account. @type {Set<string>} */
  #asked = new Set();
  /** @type {Set<string>} */
  #ids = new Set();
  #timer = 0;

  /** Look whom the tasks of news or of a reply name. @param {Record<string, any>} said */
  take(said) {
    if (said.afresh) {
      // A name may have changed, or somebody may have an account by now.
      this.#asked.clear();
    }
    const told = (said.events ?? []).map((/** @type {{ task: Task }} */ one) => one.task);
    for (const task of [...LISTS.flatMap((name) => listOf(said[name])), ...told]) {
      if (this.#ids.size < IDS_MAX && this.#namesOthers(task)) {
        this.#ids.add(task.id);
      }
    }
    if (this.#ids.size > 0 && this.#timer === 0) {
      this.#timer = setTimeout(() => this.#send(), GATHER_MS);
    }
  }

  /** Whether a task names somebody for the first time. @param {Task} task */
  #namesOthers(task) {
    const { people } = this.#wire.known;
    const answered = /** @type {{ by?: unknown } | undefined} */ (task.acknowledged);
    const theirs = [answered?.by, ...MEMBERS.map((name) => task[name])];
    const others = theirs.filter(
      (user) => typeof user === 'string' && user !== '' && !people.has(user),
    );
    const fresh = others.filter((user) => !this.#asked.has(/** @type {string} */ (user)));
    fresh.forEach((user) => this.#asked.add(/** @type {string} */ (user)));
    return fresh.length > 0;
  }

  async #send() {
    const ids = [...this.#ids];
    this.#ids.clear();
    this.#timer = 0;
    const { me } = this.#wire.known;
    try {
      const { names } = await this.#wire.ask('Names', { ids });
      if (this.#wire.known.me?.user === me?.user) {
        this.#wire.learn(named(this.#wire.known, names), { people: true });
      }
    } catch (error) {
      // Numbers stand where names would: whoever looks into the console sees why.
      console.debug(error);
    }
  }
}

/** @param {unknown} value @returns {Task[]} */
const listOf = (value) => (Array.isArray(value) ? value : []);
