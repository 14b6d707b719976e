// Undo: for ten seconds, an act that can be taken back is, by a button or a key.

import { toast } from '../core/toasts.js';
import { reason } from '../parts/reasons.js';
import { t } from '../parts/words.js';
import { OPERATIONS } from '../rules/acts.js';
import { wayBack } from '../rules/undo.js';
import { daemonTime } from '../wire/known.js';
import { AWAY, Refused } from '../wire/refused.js';
import { ACT_MS } from '../wire/pace.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Reply} Reply
 * @typedef {{ before: Task, after: Task, user: string, remove: () => void }} Offer
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
   * Offer to take back what was just done with a task.
   * @param {Task} before the task as it was
   * @param {Reply} reply what the daemon said of it
   * @returns {import('../parts/acting').Button | null} null where it cannot be taken back
   */
  offer(before, reply) {
    const { known } = this.#shell.wire;
    const after = /** @type {Task} */ ({ ...before, ...reply });
    // Whatever was offered of this task before would now take back something else.
    for (const old of this.#offers.filter((one) => one.after.id === after.id)) {
      this.#forget(old);
      old.remove();
    }
    if (wayBack(before, after, known.me, daemonTime(known)).length === 0) {
      return null;
    }
    const offer = { before, after, user: known.me?.user ?? '', remove: () => {} };
    this.#offers.push(offer);
    setTimeout(() => this.#forget(offer), OFFERED_MS);
    return {
      label: `${t('undo')} (z)`,
      ms: OFFERED_MS,
      onpress: () => this.#takeBack(offer),
      onshown: (remove) => Object.assign(offer, { remove }),
    };
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
    const { wire } = this.#shell;
    const { before, after, user } = offer;
    const isOffered = this.#offers.includes(offer);
    this.#forget(offer);
    offer.remove();
    const name = before.name || before.id;
    if (!isOffered || user !== wire.known.me?.user) {
      return;
    }
    try {
      // A read would wait for another connection, and the act be done when nobody looks any more.
      if (wire.state !== 'open') {
        throw new Refused({ errid: AWAY });
      }
      const where = { id: before.id };
      const { tasks } = await wire.ask('Query', { where }, AbortSignal.timeout(ACT_MS));
      if (tasks[0]?.rev !== after.rev) {
        toast(t('undo.changed', { name }), { kind: 'bad' });
        return;
      }
      for (const { act, more } of wayBack(before, after, wire.known.me, daemonTime(wire.known))) {
        await this.#shell.askAbout(before.id, OPERATIONS[act], { id: before.id, ...more });
      }
      toast(t('undo.done', { name }));
    } catch (error) {
      const isLate = error instanceof DOMException;
      const why = isLate ? new Refused({ errid: AWAY }) : error;
      toast(reason(why, wire.known), { kind: 'bad' });
    }
  }
}
