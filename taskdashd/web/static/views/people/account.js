// An account in a form: what was changed there, and what somebody else has changed meanwhile. Pure.

import { namesIn } from '../../rules/separators.js';

/**
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {import('../../wire/types').Role} Role
 * @typedef {Record<string, string>} Given
 * @typedef {readonly [name: string, now: string]} Change
 */

/**
 * Give an account as a form holds it.
 * @param {Person | null} one
 * @returns {Given}
 */
export const asTyped = (one) => ({
  user: one?.user ?? '',
  name: one?.name ?? '',
  role: one?.role ?? 'worker',
  groups: (one?.groups ?? []).join(', '),
  leads: (one?.leads ?? []).join(', '),
  ...((one?.active ?? true) && { active: 'on' }),
});

/**
 * Give what a form asks for: of an account that there is, only what was changed in the form. What
 * another admin has changed meanwhile stays, and so do groups whose names hold a comma.
 * @param {Given} given
 * @param {Person | null} one null for a new account
 */
export function askedFor(given, one) {
  const before = asTyped(one);
  const is = (/** @type {string} */ name) => one === null || given[name] !== before[name];
  const groups = one === null || is('groups') ? namesIn(given.groups ?? '') : one.groups;
  const led = namesIn(given.leads ?? '');
  // Without one they lead all their groups: of somebody who led some, the daemon would keep those.
  const leads = led.length > 0 || one === null ? led : groups;
  return {
    user: given.user,
    ...(is('name') && { name: given.name }),
    ...(is('role') && { role: /** @type {Role} */ (given.role) }),
    ...(is('groups') && { groups }),
    ...(is('active') && { active: given.active === 'on' }),
    ...(given.role === 'lead' && is('leads') && (one || leads.length > 0) && { leads }),
    ...(given.password !== '' && { password: given.password }),
  };
}

/**
 * Give what of an account is not as it was, by the values of a refusal that says what it is now.
 * @param {Person} one
 * @param {Record<string, string>} values
 * @returns {Change[]}
 */
export function changesOf(one, values) {
  const before = { ...asTyped(one), active: String(one.active), calendar: one.calendar };
  return ['name', 'role', 'groups', 'leads', 'active', 'calendar']
    .filter((name) => (values[name] ?? '') !== before[/** @type {keyof before} */ (name)])
    .map((name) => [name, values[name] ?? '']);
}

/**
 * Name what is wrong in a form, as a text's name; null where nothing is.
 * @param {Given} given
 * @param {Person | null} one null for a new account
 * @param {string} me who saves it
 * @returns {string | null}
 */
export function faultIn(given, one, me) {
  const isAdmin = given.role === 'admin';
  if (one?.user === me && (given.active !== 'on' || (one.role === 'admin' && !isAdmin))) {
    // Saved, it would shut out whoever saves it, and nobody may be left who can undo that.
    return 'person.fault.self';
  }
  if (given.role !== 'lead' && given.leads !== '' && given.leads !== asTyped(one).leads) {
    return 'person.fault.leads';
  }
  return one === null && isAdmin && given.password === '' ? 'person.fault.password' : null;
}
