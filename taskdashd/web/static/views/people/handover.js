// Giving all that somebody holds to others.

import { dialog } from '../../core/dialogs.js';
import { h } from '../../core/elements.js';
import { activePeople, textField } from '../../parts/acting.js';
import { cause, labelOf, reason } from '../../parts/reasons.js';
import { t } from '../../parts/words.js';
import { nameOf } from '../../wire/known.js';

/**
 * @typedef {import('../../parts/page').Page<null>} Page
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {import('../../wire/types').Reply} Reply
 */

/** @param {Page} page @param {Person} of */
export async function handOver(page, of) {
  const others = activePeople(page.known, (one) => one.user !== of.user);
  const check = (/** @type {Person} */ one) =>
    h(
      'label.check',
      null,
      h('input', { type: 'checkbox', name: `to:${one.user}` }),
      ` ${labelOf(one)}`,
    );
  const body = h(
    'div',
    null,
    h('p', null, t('handover.about', { name: of.name })),
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
    await told(page, done);
  }
}

/** @param {Page} page @param {Reply} done */
function told(page, done) {
  const moved = (/** @type {Reply} */ one) =>
    h('li', null, `${one.id} → ${nameOf(page.known, one.to)}`);
  const left = (/** @type {Reply} */ one) =>
    h('li', null, `${one.id}: ${cause(one.cause, one.values ?? {}, page.known) ?? one.why}`);
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
