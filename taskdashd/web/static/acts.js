// The acts of people on tasks: each asks the daemon, and tells the person the outcome.

import { dialog, h, toast } from './dom.js';
import { ask, known, nameOf } from './feed.js';
import { has, t, when } from './words.js';

const OPERATION = { claim: 'Claim', begin: 'Begin', release: 'Release', submit: 'Submit', approve: 'Approve', reject: 'Reject', assign: 'Assign' };
export const KEYS = { claim: 'c', begin: 'b', submit: 's', release: 'r', approve: 'a', reject: 'x', assign: 'g' };

export const explain = (error) => toast(reason(error), { kind: 'bad' });

/** Say why something was refused: a cause in the reader's language, whatever has no translation in the daemon's words. */
export function reason(error) {
  if (error.errid === -1 || !error.message) return t('error.away');
  return because(error.cause, error.values) ?? `${t(`errid.${error.errid}`)} ${error.message}`;
}

function because(cause, values = {}) {
  if (!cause || !has(`cause.${cause}`)) return null;
  const who = values.user ? `${nameOf(values.user)} (${values.user})` : '';
  const text = t(`cause.${cause}`, { ...values, user: who });
  return values.since ? `${text} ${t('cause.since', { when: when(values.since) })}` : text;
}

/** Do an act with a task, after asking for what it needs. Gives whether it was done. */
export async function act(name, task) {
  let more = {};
  for (;;) {
    if (name in FORMS) {
      // After a refusal the form opens again, with the text that was typed.
      const given = await dialog(t(`act.${name}.title`, { name: task.name }), FORMS[name](task, more), t(`act.${name}`), t('cancel'));
      if (!given) return false;
      more = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
    }
    try {
      await ask(OPERATION[name], { id: task.id, ...more });
      break;
    } catch (error) {
      explain(error);
      if (!(name in FORMS)) return false;
    }
  }
  toast(t(`act.${name}.done`, { name: task.name, to: nameOf(more.to ?? '') }));
  return true;
}

const text = (name, label, required, value = '') => h('label.field', null, label,
  h('textarea', { name, rows: 3, maxlength: 500, required, value }));

const people = (name, label, fit, { required = true, empty = '', chosen = '' } = {}) => h('label.field', null, label,
  h('select', { name, required },
    h('option', { value: '' }, empty),
    [...known.people.values()].filter((one) => one.active && fit(one)).map((one) => h('option', { value: one.user, selected: one.user === chosen }, `${one.name} (${one.user})`))));

const inGroup = (task) => (one) => !task.group_id || one.groups.includes(task.group_id);

const FORMS = {
  reject: (_task, typed) => text('reason', t('act.reject.reason'), true, typed.reason),
  assign: (task, typed) => h('div', null, people('to', t('act.assign.to'), inGroup(task), { chosen: typed.to }), text('word', t('act.assign.word'), false, typed.word)),
  submit: (task, typed) => h('div', null,
    people('checker', t('act.submit.checker'), (one) => one.user !== task.user && inGroup(task)(one),
      { required: false, empty: task.checker ? nameOf(task.checker) : t('act.submit.lead'), chosen: typed.checker }),
    text('word', t('act.submit.word'), false, typed.word)),
};

/** Give all that somebody holds to others. */
export async function handOver(of) {
  const others = [...known.people.values()].filter((one) => one.active && one.user !== of.user);
  const body = h('div', null, h('p', null, t('handover.about', { name: of.name })),
    h('fieldset', null, h('legend', null, t('handover.to')),
      others.map((one) => h('label.check', null, h('input', { type: 'checkbox', name: `to:${one.user}` }), ` ${one.name} (${one.user})`))),
    text('word', t('handover.why'), false));
  const given = await dialog(t('handover.title', { name: of.name }), body, t('handover'), t('cancel'));
  if (!given) return;
  const to = Object.keys(given).filter((name) => name.startsWith('to:')).map((name) => name.slice(3));
  try {
    const done = await ask('Handover', { of: of.user, to, word: given.word });
    await dialog(t('handover.done', { n: done.moved.length }), h('div', null,
      h('ul.plain', null, done.moved.map((one) => h('li', null, `${one.id} → ${nameOf(one.to)}`))),
      done.left.length > 0 && h('div', null, h('h3', null, t('handover.left')),
        h('ul.plain', null, done.left.map((one) => h('li', null, `${one.id}: ${because(one.cause, one.values) ?? one.why}`))))), t('close'));
  } catch (error) { explain(error); }
}

export async function editPerson(one) {
  const field = (name, label, value, more) => h('label.field', null, label, h('input', { name, value, ...more }));
  const body = h('div', null,
    field('user', t('person.user'), one?.user ?? '', { required: true, readonly: Boolean(one), maxlength: 64 }),
    field('name', t('person.name'), one?.name ?? '', { required: true, maxlength: 64 }),
    h('label.field', null, t('person.role'), h('select', { name: 'role' },
      ['worker', 'lead', 'admin'].map((role) => h('option', { value: role, selected: role === (one?.role ?? 'worker') }, t(`role.${role}`))))),
    field('groups', t('person.groups'), (one?.groups ?? []).join(', '), { placeholder: t('person.groups.hint') }),
    field('leads', t('person.leads'), (one?.leads ?? []).join(', '), { placeholder: t('person.leads.hint') }),
    h('label.check', null, h('input', { type: 'checkbox', name: 'active', checked: one?.active ?? true }), ` ${t('person.active')}`),
    field('password', t('person.password'), '', { type: 'password', autocomplete: 'new-password', placeholder: t('person.password.hint') }));
  const given = await dialog(t(one ? 'person.edit' : 'person.add'), body, t('save'), t('cancel'));
  if (!given) return;
  const list = (value) => value.split(/[,，\s]+/).filter(Boolean);
  const wanted = { user: given.user, name: given.name, role: given.role, groups: list(given.groups), active: given.active === 'on' };
  if (given.role === 'lead' && list(given.leads).length) wanted.leads = list(given.leads);
  if (given.password) wanted.password = given.password;
  try { await ask('SetPerson', wanted); } catch (error) { explain(error); }
}
