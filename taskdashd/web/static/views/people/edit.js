// An account, as an admin makes or changes it.

import { dialog, lineField, puts } from '../../core/dialogs.js';
import { h } from '../../core/elements.js';
import { reason } from '../../parts/reasons.js';
import { t } from '../../parts/words.js';
import { typedName, typedNumber } from '../../rules/typed.js';
import { Refused } from '../../wire/refused.js';
import { askedFor, asTyped, changesOf, faultIn } from './account.js';

/**
 * @typedef {import('../../parts/page').Page<null>} Page
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {import('../../wire/types').Role} Role
 * @typedef {import('./account').Given} Given
 * @typedef {import('./account').Change} Change
 */

/** @type {readonly Role[]} */
const ROLES = ['worker', 'lead', 'admin'];

/** @param {Page} page @param {Person | null} one null for a new account */
export async function editPerson(page, one) {
  let base = one?.rev ?? 0;
  const submit = async (/** @type {Given} */ given) => {
    const fault = faultIn(given, one, page.known.me?.user ?? '');
    if (fault !== null) {
      return t(fault);
    }
    const only = one ? { base } : { new: true };
    try {
      await page.ask('SetPerson', { ...askedFor(given, one), ...only });
      return null;
    } catch (error) {
      if (one && error instanceof Refused && error.cause === 'stale') {
        // Whoever saves once more has read how it is now.
        base = Number(error.values.rev);
        return saidOf(changesOf(one, error.values));
      }
      return reason(error, page.known);
    }
  };
  const title = t(one ? 'people.edit' : 'people.add');
  await dialog(title, fields(one), { confirm: t('save'), cancel: t('cancel'), submit });
}

/** Say what somebody else has changed. @param {Change[]} changes */
function saidOf(changes) {
  const said = changes.map(([name, now]) => `${t(`person.${name}`)}: ${valueOf(name, now)}`);
  return t('person.stale', { now: said.join(' · ') || t('person.stale.password') });
}

/** @param {string} name @param {string} now */
function valueOf(name, now) {
  if (name === 'role') {
    return t(`role.${now}`);
  }
  return name === 'active' ? t(now === 'true' ? 'person.yes' : 'person.no') : now || '–';
}

/** @param {Person | null} one */
function fields(one) {
  const typed = asTyped(one);
  const field = (/** @type {string} */ name, more = {}) =>
    lineField(t(`person.${name}`), { name, value: typed[name] ?? '', ...more });
  const role = (/** @type {Role} */ name) =>
    h('option', { value: name, selected: name === typed.role }, t(`role.${name}`));
  const list = (/** @type {'groups' | 'leads'} */ name) =>
    field(name, { maxlength: null, placeholder: t(`person.${name}.hint`) });
  return h(
    'div',
    null,
    field('user', { required: true, readonly: one !== null, ...puts(typedNumber) }),
    field('name', { required: true, ...puts(typedName) }),
    h('label.field', null, t('person.role'), h('select', { name: 'role' }, ROLES.map(role))),
    list('groups'),
    list('leads'),
    h(
      'label.check',
      null,
      h('input', { type: 'checkbox', name: 'active', checked: Boolean(typed.active) }),
      ` ${t('person.active')}`,
    ),
    field('password', {
      type: 'password',
      maxlength: null,
      autocomplete: 'new-password',
      placeholder: t(one ? 'person.password.hint' : 'person.password.new'),
    }),
  );
}
