// Who is named by tasks without that the page knows what they are called: people outside of one's
// groups. Their names are asked for by the tasks that name them, or once did, each number once.

import { named } from './known.js';

/**
 * @typedef {import('./types').Known} Known
 * @typedef {import('./types').News} News
 * @typedef {import('./types').Reply} Reply
 * @typedef {import('./types').Task} Task
 * @typedef {{
 *   readonly known: Known,
 *   ask: (op: 'Names', body: { ids: string[], history?: boolean }) => Promise<Reply>,
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
  /** The tasks whose history names others. @type {Set<string>} */
  #histories = new Set();
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
    for (const { task, changes } of listOf(said.entries)) {
      if (task && this.#areFresh(namedBy(changes ?? {}))) {
        this.#histories.add(task);
      }
    }
    if (this.#ids.size + this.#histories.size > 0 && this.#timer === 0) {
      this.#timer = setTimeout(() => this.#send(), GATHER_MS);
    }
  }

  /** Whether a task names somebody for the first time. @param {Task} task */
  #namesOthers(task) {
    const answered = /** @type {{ by?: unknown } | undefined} */ (task.acknowledged);
    return this.#areFresh([answered?.by, ...MEMBERS.map((name) => task[name])]);
  }

  /** Whether somebody is among some that was not asked for before. @param {unknown[]} theirs */
  #areFresh(theirs) {
    const { people } = this.#wire.known;
    const others = theirs.filter(
      (user) => typeof user === 'string' && user !== '' && !people.has(user),
    );
    const fresh = others.filter((user) => !this.#asked.has(/** @type {string} */ (user)));
    fresh.forEach((user) => this.#asked.add(/** @type {string} */ (user)));
    return fresh.length > 0;
  }

  async #send() {
    const ids = [...this.#ids];
    const histories = [...this.#histories];
    this.#ids.clear();
    this.#histories.clear();
    this.#timer = 0;
    const asked = histories.map((id) => this.#ask({ ids: [id], history: true }));
    await Promise.all([...asked, ...(ids.length > 0 ? [this.#ask({ ids })] : [])]);
  }

  /** @param {{ ids: string[], history?: boolean }} body */
  async #ask(body) {
    const { me } = this.#wire.known;
    try {
      const { names } = await this.#wire.ask('Names', body);
      if (this.#wire.known.me?.user === me?.user) {
        this.#wire.learn(named(this.#wire.known, names), { people: true });
      }
    } catch (error) {
      // Numbers stand where names would: whoever looks into the console sees why.
      console.debug(error);
    }
  }
}

/** @param {unknown} value @returns {any[]} */
const listOf = (value) => (Array.isArray(value) ? value : []);

/**
 * Give whom a change has named; an answer stands in it as JSON.
 * @param {Record<string, unknown[]>} changes
 */
const namedBy = ({ acknowledged = [], ...changes }) => [
  ...acknowledged.map((one) => /"by":"([^"]*)/.exec(String(one))?.[1]),
  ...MEMBERS.flatMap((name) => changes[name] ?? []),
];
