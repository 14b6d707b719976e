// Acts of people on tasks: what each asks for, and doing it.

import { dialog } from '../core/dialogs.js';
import { h } from '../core/elements.js';
import { toast } from '../core/toasts.js';
import { OPERATIONS } from '../rules/acts.js';
import { stateOf } from '../rules/states.js';
import { nameOf } from '../wire/known.js';
import { isLeft } from '../wire/refused.js';
import { cause, labelOf, reason } from './reasons.js';
import { collate, t } from './words.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Service} Service
 * @typedef {import('../wire/types').Person} Person
 * @typedef {import('../wire/types').Known} Known
 * @typedef {import('../rules/acts').Act} Act
 * @typedef {import('../core/dialogs').Given} Given
 * @typedef {import('../wire/types').Reply} Reply
 * @typedef {(op: any, body: object) => Promise<Reply>} Ask
 * @typedef {{
 *   label: string,
 *   ms: number,
 *   onpress: () => void,
 *   onshown: (remove: () => void) => void,
 * }} Button
 */

/** What an act asks for before it is done with tasks; without one it is done at once. */
/** @type {Partial<Record<Act, (tasks: readonly Task[], known: Known) => HTMLElement>>} */
export const FORMS = {
  acknowledge: () => textField('word', t('act.acknowledge.word'), false),
  cancel: ([task]) =>
    h(
      'div',
      null,
      stateOf(task.status) === 'live' && h('p', null, t('act.cancel.live')),
      textField('word', t('act.cancel.word'), false),
    ),
  reject: () => textField('reason', t('act.reject.reason'), true),
  assign: (tasks, known) =>
    h(
      'div',
      null,
      personField(
        'to',
        t('act.assign.to'),
        activePeople(known, (one) => tasks.every((task) => inGroup(task)(one))),
        { required: true },
      ),
      textField('word', t('act.assign.word'), false),
    ),
  submit: ([task], known) =>
    h(
      'div',
      null,
      personField(
        'checker',
        t('act.submit.checker'),
        activePeople(known, (one) => one.user !== task.user && inGroup(task)(one)),
        { empty: task.checker ? nameOf(known, task.checker) : t('act.submit.lead') },
      ),
      textField('word', t('act.submit.word'), false),
    ),
};

/**
 * What an operation is given, where that is not simply what it is about and what was typed.
 * @type {Partial<Record<Act, (about: { id?: string, url?: string }, given: Given, task: Task,
 *   known: Known) => object>>}
 */
const BODIES = {
  dismiss(about, _given, { acknowledged }, { me }) {
    // What one has said oneself still holds; another's words are not repeated as one's own.
    const word = acknowledged?.by === me?.user ? (acknowledged?.word ?? '') : '';
    return { ...about, hide: true, word };
  },
  cancel: ({ id }, given) => ({ ids: [id], ...given }),
};

/**
 * Ask for an act; what was left empty is not said. Gives the daemon's reply, and why it was not
 * done, where it was not.
 * @param {Act} act
 * @param {Task | Service} of
 * @param {Given} given what was typed
 * @param {Known} known
 * @param {Ask} ask
 * @returns {Promise<{ reply: Reply | null, why: string | null }>}
 */
export async function attempted(act, of, given, known, ask) {
  const about = 'id' in of ? { id: String(of.id) } : { url: of.url };
  const more = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const body = BODIES[act]?.(about, more, /** @type {Task} */ (of), known);
  const done = await outcome(ask, OPERATIONS[act], body ?? { ...about, ...more }, known);
  const [left] = done.reply?.left ?? [];
  if (left) {
    return { reply: null, why: cause(left.cause, left.values, known) ?? left.why };
  }
  // Cancel is for many, and says of none how it is now.
  return done.reply?.cancelled ? { reply: { ...about, status: 'cancelled' }, why: null } : done;
}

/**
 * Ask; gives the daemon's reply, or why there is none: null where the view was left.
 * @param {Ask} ask
 * @param {string} op
 * @param {object} body
 * @param {Known} known
 * @returns {Promise<{ reply: Reply | null, why: string | null }>}
 */
export async function outcome(ask, op, body, known) {
  try {
    return { reply: await ask(op, body), why: null };
  } catch (error) {
    return { reply: null, why: isLeft(error) ? null : reason(error, known) };
  }
}

/**
 * Do an act with a task, or with a service that has died, after asking for what it needs; the
 * outcome is told.
 * @param {Act} act
 * @param {Task | Service} task
 * @param {{
 *   known: () => Known,
 *   ask: Ask,
 *   undo: (reply: Reply) => Button | null,
 * }} how `undo` gives the button that takes it back, where that can be done
 * @returns {Promise<Reply | null>} null where it was not done
 */
export async function perform(act, task, { known, ask, undo }) {
  const name = task.name || String('id' in task ? task.id : task.url);
  /** @type {Reply | null} */
  let reply = null;
  /** @param {Given} given */
  const attempt = async (given) => {
    const done = await attempted(act, task, given, known(), ask);
    reply = done.reply;
    if (!reply) {
      return done.why;
    }
    const said = t(`act.${act}.done`, { name, to: nameOf(known(), given.to ?? '') });
    const back = undo(reply);
    const remove = toast(said, back ?? {});
    back?.onshown(remove);
    return null;
  };
  const form = FORMS[act];
  if (form) {
    // To give up cancelling must not be called Cancel.
    const [confirm, cancel] =
      act === 'cancel' ? ['act.cancel.yes', 'act.cancel.no'] : [`act.${act}`, 'cancel'];
    const how = { confirm: t(confirm), cancel: t(cancel), submit: attempt };
    await dialog(t(`act.${act}.title`, { name }), form([/** @type {Task} */ (task)], known()), how);
    return reply;
  }
  const why = await attempt({});
  if (why !== null) {
    toast(why, { kind: 'bad' });
  }
  return reply;
}

/**
 * Make a field for some lines of text.
 * @param {string} name
 * @param {string} label
 * @param {boolean} required
 */
export const textField = (name, label, required) =>
  h('label.field', null, label, h('textarea', { name, rows: 3, maxlength: 500, required }));

/**
 * Make a field in which one of some people is chosen.
 * @param {string} name
 * @param {string} label
 * @param {Person[]} from
 * @param {{ required?: boolean, empty?: string }} [how] `empty` is what nobody chosen means
 */
export const personField = (name, label, from, { required = false, empty = '' } = {}) =>
  h(
    'label.field',
    null,
    label,
    h(
      'select',
      { name, required },
      h('option', { value: '' }, empty),
      from.map((one) => h('option', { value: one.user }, labelOf(one))),
    ),
  );

/**
 * Give the people with an account that is active, as far as they fit, in the order of their names.
 * @param {Known} known
 * @param {(one: Person) => boolean} fits
 */
export const activePeople = (known, fits) =>
  [...known.people.values()]
    .filter((one) => one.active && fits(one))
    .sort((one, other) => collate(one.name, other.name) || collate(one.user, other.user));

/** @param {Task} task @returns {(one: Person) => boolean} */
const inGroup = (task) => (one) => !task.group_id || one.groups.includes(task.group_id);
