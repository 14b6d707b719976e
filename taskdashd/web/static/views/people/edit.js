// An account, as an admin makes or changes it.

import { dialog } from '../../core/dialogs.js';
import { h } from '../../core/elements.js';
import { reason } from '../../parts/reasons.js';
import { t } from '../../parts/words.js';

/**
 * @typedef {import('../../parts/page').Page<null>} Page
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {import('../../wire/types').Role} Role
 * @typedef {Record<string, string>} Given
 */

/** @type {readonly Role[]} */
const ROLES = ['worker', 'lead', 'admin'];

/** @param {Page} page @param {Person | null} one null for a new account */
export async function editPerson(page, one) {
  const submit = async (/** @type {Given} */ given) => {
    try {
      await page.ask('SetPerson', wanted(given));
      return null;
    } catch (error) {
      return reason(error, page.known);
    }
  };
  const title = t(one ? 'person.edit' : 'person.add');
  await dialog(title, fields(one), { confirm: t('save'), cancel: t('cancel'), submit });
}

/** @param {Person | null} one */
function fields(one) {
  const field = (/** @type {string} */ name, /** @type {string} */ value, more = {}) =>
    h(
      'label.field',
      null,
      t(`person.${name}`),
      h('input', { name, value, maxlength: 64, ...more }),
    );
  const role = (/** @type {Role} */ name) =>
    h('option', { value: name, selected: name === (one?.role ?? 'worker') }, t(`role.${name}`));
  const list = (/** @type {'groups' | 'leads'} */ name) =>
    field(name, (one?.[name] ?? []).join(', '), {
      maxlength: null,
      placeholder: t(`person.${name}.hint`),
    });
  return h(
    'div',
    null,
    field('user', one?.user ?? '', { required: true, readonly: one !== null }),
    field('name', one?.name ?? '', { required: true }),
    h('label.field', null, t('person.role'), h('select', { name: 'role' }, ROLES.map(role))),
    list('groups'),
    list('leads'),
    h(
      'label.check',
      null,
      h('input', { type: 'checkbox', name: 'active', checked: one?.active ?? true }),
      ` ${t('person.active')}`,
    ),
    field('password', '', {
      type: 'password',
      maxlength: null,
      autocomplete: 'new-password',
      placeholder: t('person.password.hint'),
    }),
  );
}

/** Give what a form asks for. @param {Given} given */
function wanted(given) {
  const leads = list(given.leads);
  return {
    user: given.user,
    name: given.name,
    role: /** @type {Role} */ (given.role),
    groups: list(given.groups),
    active: given.active === 'on',
    ...(given.role === 'lead' && leads.length > 0 && { leads }),
    ...(given.password !== '' && { password: given.password }),
  };
}

/** @param {string} value */
const list = (value) => value.split(/[,，\s]+/).filter(Boolean);
