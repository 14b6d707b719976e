// Undo: for ten seconds, an act that can be taken back is, by a button or a key.

import { toast } from '../core/toasts.js';
import { reason } from '../parts/reasons.js';
import { shortcut } from '../parts/shortcuts.js';
import { t } from '../parts/words.js';
import { OPERATIONS } from '../rules/acts.js';
import { wayBack } from '../rules/undo.js';
import { daemonTime } from '../wire/known.js';
import { AWAY, Refused } from '../wire/refused.js';
import { ACT_MS } from '../wire/pace.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Reply} Reply
 * @typedef {import('../parts/page').Done} Done
 * @typedef {import('../parts/page').Left} Left
 * @typedef {{ before: Task, after: Task }} Step
 * @typedef {(left: readonly Left[]) => void} Tell
 * @typedef {{ steps: Step[], tell: Tell, user: string, remove: () => void }} Offer
 */

const OFFERED_MS = 10_000;

export class Undo {
  /** @param {import('./shell').Shell} shell */
  constructor(shell) {
    this.#shell = shell;
  }

  #shell;
  /** What can be taken back, the newest last. @type {Offer[]} */
  #offers = [];

  /**
   * Offer to take back what was just done with tasks, with all of them at once.
   * @param {readonly Done[]} done
   * @param {Tell} [tell] told of which that could not be done
   * @returns {import('../parts/acting').Button | null} null where none can be taken back
   */
  offer(done, tell = told) {
    const { known } = this.#shell.wire;
    const steps = done.map(({ before, reply }) => ({ before, after: { ...before, ...reply } }));
    // Whatever was offered of these tasks before would now take back something else.
    this.#outdate(new Set(steps.map(({ before }) => before.id)));
    const can = steps.filter(
      ({ before, after }) => wayBack(before, after, known.me, daemonTime(known)).length > 0,
    );
    if (can.length === 0) {
      return null;
    }
    const offer = { steps: can, tell, user: known.me?.user ?? '', remove: () => {} };
    this.#offers.push(offer);
    setTimeout(() => this.#forget(offer), OFFERED_MS);
    return {
      label: shortcut(`${t('undo')} (z)`, t('undo')),
      ms: OFFERED_MS,
      onpress: () => this.#takeBack(offer),
      onshown: (remove) => Object.assign(offer, { remove }),
    };
  }

  /** @param {ReadonlySet<string>} ids */
  #outdate(ids) {
    for (const old of this.#offers) {
      old.steps = old.steps.filter(({ before }) => !ids.has(before.id));
      if (old.steps.length === 0) {
        this.#forget(old);
        old.remove();
      }
    }
  }

  /** Take the last act back. @returns {boolean} whether there is one that can be */
  last() {
    const offer = this.#offers.at(-1);
    if (offer) {
      this.#takeBack(offer);
    }
    return offer !== undefined;
  }

  /** @param {Offer} offer */
  #forget(offer) {
    this.#offers = this.#offers.filter((one) => one !== offer);
  }

  /** @param {Offer} offer */
  async #takeBack(offer) {
    const isOffered = this.#offers.includes(offer);
    this.#forget(offer);
    offer.remove();
    if (!isOffered) {
      return;
    }
    /** @type {Left[]} */
    const left = [];
    for (const step of offer.steps) {
      // Somebody else may have signed in here meanwhile.
      if (offer.user !== this.#shell.wire.known.me?.user) {
        return;
      }
      const why = await this.#stepBack(step);
      why === null || left.push({ task: step.before, why });
    }
    const n = offer.steps.length - left.length;
    const [{ before }] = offer.steps;
    if (n > 0) {
      const name = before.name || before.id;
      toast(offer.steps.length === 1 ? t('undo.done', { name }) : t('undo.many', { n }));
    }
    if (left.length > 0) {
      offer.tell(left);
    }
  }

  /** Take one act back, and give why not. @param {Step} step */
  async #stepBack({ before, after }) {
    const { wire } = this.#shell;
    try {
      // A read would wait for another connection, and the act be done when nobody looks any more.
      if (wire.state !== 'open') {
        throw new Refused({ errid: AWAY });
      }
      const where = { id: before.id };
      const { tasks } = await wire.ask('Query', { where }, AbortSignal.timeout(ACT_MS));
      if (tasks[0]?.rev !== after.rev) {
        return t('undo.changed', { name: before.name || before.id });
      }
      for (const { act, more } of wayBack(before, after, wire.known.me, daemonTime(wire.known))) {
        await this.#shell.askAbout(before.id, OPERATIONS[act], { id: before.id, ...more });
      }
      return null;
    } catch (error) {
      const isLate = error instanceof DOMException;
      return reason(isLate ? new Refused({ errid: AWAY }) : error, wire.known);
    }
  }
}

/** @type {Tell} */
const told = (left) => left.forEach(({ why }) => toast(why, { kind: 'bad' }));
