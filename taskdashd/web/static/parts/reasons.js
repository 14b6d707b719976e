// Why something was refused, in the reader's language.

import { AWAY, LATE, Refused, UNKNOWN } from '../wire/refused.js';
import { nameOf } from '../wire/known.js';
import { stateOf } from '../rules/states.js';
import { clock, has, t, when } from './words.js';

/** @typedef {import('../wire/types').Known} Known */

/**
 * Say why something came to nothing, in the reader's language. The daemon's own sentence is for
 * programmers: the console has it.
 * @param {unknown} error
 * @param {Known} known
 */
export function reason(error, known) {
  if (!(error instanceof Refused)) {
    return t('error.fault');
  }
  if (error.errid === UNKNOWN) {
    return t('error.unknown');
  }
  if (error.errid === AWAY || error.errid === LATE) {
    const { since } = error.values;
    return since ? t('error.away', { at: clock(since) }) : t('error.late');
  }
  const because = cause(error.cause, error.values, known);
  if (because === null) {
    console.info(error.message);
  }
  return because ?? t(has(`errid.${error.errid}`) ? `errid.${error.errid}` : 'error.fault');
}

/**
 * Say a cause; null where it has no translation.
 * @param {string | undefined} name
 * @param {Record<string, string>} values
 * @param {Known} known
 */
export function cause(name, values, known) {
  if (!name || !has(`cause.${name}`)) {
    return null;
  }
  if (name === 'taken' && values.user === known.me?.user) {
    // Done already in another tab, or before an answer was lost: nobody else has been quicker.
    return t('cause.taken.mine');
  }
  const text = t(`cause.${name}`, {
    ...values,
    user: values.user ? called(values.user, known, values.name) : '',
    status: statusName(values.status ?? ''),
    field: fieldName(values.field ?? ''),
  });
  return values.since ? `${text} ${t('cause.since', { when: when(values.since) })}` : text;
}

/**
 * Give a person's name and number, the number once.
 * @param {string} user
 * @param {Known} known
 * @param {string} [name] what they are called, where that was told
 */
export const called = (user, known, name = nameOf(known, user)) => labelOf({ user, name });

/** Give a name and a number, the number once. @param {{ user: string, name: string }} one */
export const labelOf = ({ user, name }) => (name && name !== user ? `${name} (${user})` : user);

/** Say the name of what a form asks for. @param {string} field */
function fieldName(field) {
  const key = [`person.${field}`, `field.${field}`].find(has);
  return key ? t(key) : field;
}

/** Say a status; what services call theirs, as they do. @param {string} status */
export function statusName(status) {
  const state = stateOf(status);
  return state === 'live' ? status : t(`state.${state}`);
}
