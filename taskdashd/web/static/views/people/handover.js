// Giving all that somebody holds or is to check to others.

import { dialog } from '../../core/dialogs.js';
import { h } from '../../core/elements.js';
import { oneAtATime } from '../../core/presses.js';
import { toast } from '../../core/toasts.js';
import { activePeople, textField } from '../../parts/acting.js';
import { cause, labelOf, reason } from '../../parts/reasons.js';
import { collate, number, t } from '../../parts/words.js';
import { nameOf } from '../../wire/known.js';
import { loadSaid } from './load.js';
import { WORK, rowsOf } from './model.js';

/**
 * @typedef {import('../../parts/page').Page<null>} Page
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {import('../../wire/types').Reply} Reply
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {ReadonlyMap<string, string>} Names
 */

/** As many tasks as the daemon gives to others at once. */
const MOST = 1000;

const asking = oneAtATime();

/** @param {Page} page @param {Person} of */
export const handOver = (page, of) =>
  asking(async () => {
    try {
      const found = await Promise.all([tasksOf(page, 'user', of), tasksOf(page, 'checker', of)]);
      page.signal.aborted || ask(page, of, found);
    } catch (error) {
      toast(reason(error, page.known), { kind: 'bad' });
    }
  });

/**
 * Ask to whom, and have it done.
 * @param {Page} page
 * @param {Person} of
 * @param {Task[][]} found what they hold, and what they are to check
 */
async function ask(page, of, [holds, checks]) {
  const counts = { holds: number(holds.length), checks: number(checks.length) };
  const said = t('handover.counts', { name: of.name, ...counts });
  if (holds.length + checks.length === 0) {
    toast(said, { kind: 'note' });
    return;
  }
  const rows = new Map(rowsOf(page.known, collate).rows.map((row) => [row.person.user, row]));
  const others = activePeople(page.known, (one) => one.user !== of.user);
  const check = (/** @type {Person} */ one) =>
    h(
      'label.check',
      null,
      h('input', { type: 'checkbox', name: `to:${one.user}` }),
      ` ${labelOf(one)} `,
      h('small', null, loadSaid(rows.get(one.user)?.load ?? [])),
    );
  const body = h(
    'div',
    null,
    h('p', null, said),
    h('p', null, t('handover.about')),
    h('fieldset', null, h('legend', null, t('handover.to')), others.map(check)),
    textField('word', t('handover.why'), false),
  );
  /** @type {Reply | null} */
  let done = null;
  const submit = async (/** @type {Record<string, string>} */ given) => {
    const names = Object.keys(given).filter((name) => name.startsWith('to:'));
    const to = names.map((name) => name.slice('to:'.length));
    if (!to.length) {
      return t('handover.nobody');
    }
    try {
      done = await page.ask('Handover', { of: of.user, to, word: given.word });
      return null;
    } catch (error) {
      return reason(error, page.known);
    }
  };
  const title = t('handover.title', { name: of.name });
  await dialog(title, body, { confirm: t('handover'), cancel: t('cancel'), submit });
  if (done) {
    await told(page, done, new Map([...holds, ...checks].map(({ id, name }) => [id, name])));
  }
}

/**
 * Read the tasks that somebody holds, or is to check.
 * @param {Page} page
 * @param {'user' | 'checker'} role
 * @param {Person} of
 * @returns {Promise<Task[]>}
 */
async function tasksOf(page, role, { user }) {
  const where = { [role]: user, status: WORK };
  return (await page.ask('Query', { where, order: 'id', limit: MOST })).tasks;
}

/** @param {Page} page @param {Reply} done @param {Names} names */
function told(page, done, names) {
  // Of some that came meanwhile the id alone is known.
  const task = (/** @type {Reply} */ { id }) => {
    const name = names.get(id);
    return name ? [h('strong', null, name), ' ', h('code', null, id)] : h('code', null, id);
  };
  const moved = (/** @type {Reply} */ one) =>
    h('li', null, task(one), ` → ${nameOf(page.known, one.to)}`);
  const left = (/** @type {Reply} */ one) =>
    h('li', null, task(one), `: ${cause(one.cause, one.values ?? {}, page.known) ?? one.why}`);
  const body = h(
    'div',
    null,
    h('ul.plain', null, done.moved.map(moved)),
    done.left.length > 0 && [
      h('h3', null, t('handover.left')),
      h('ul.plain', null, done.left.map(left)),
    ],
  );
  return dialog(t('handover.done', { n: done.moved.length }), body, { confirm: t('close') });
}
