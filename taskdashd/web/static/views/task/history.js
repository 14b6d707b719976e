// What has happened to a task, the newest first.

import { h } from '../../core/elements.js';
import { written } from '../../core/json.js';
import { answered } from '../../parts/answered.js';
import { dot } from '../../parts/badge.js';
import { called, statusName } from '../../parts/reasons.js';
import { since } from '../../parts/time.js';
import { t } from '../../parts/words.js';
import { stateOf } from '../../rules/states.js';
import { daemonTime } from '../../wire/known.js';
import { fieldName } from './fields.js';
import { PEOPLE, answerOf, labelsIn, shownChanges } from './model.js';

/**
 * @typedef {import('./model').Entry} Entry
 * @typedef {import('./model').Model} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 */

/** An entry with fewer changes shows them at once. */
const UNFOLDED_BELOW = 5;

/** @param {Page} page @param {() => void} readOlder */
export const history = (page, readOlder) => [
  h('h2', null, t('task.history')),
  h(
    'ol.history',
    null,
    page.model.entries.map((entry) => line(entry, page)),
  ),
  page.model.older !== null && h('button', { onclick: readOlder }, t('task.more')),
];

/** @param {Entry} entry @param {Page} page */
function line(entry, page) {
  const changes = shownChanges(entry);
  return h(
    'li',
    { key: `${entry.rev} ${entry.kind}` },
    h(
      'div',
      null,
      dot(colourOf(entry)),
      h('strong', null, t(`kind.${entry.kind}`)),
      ' ',
      since(entry.at, daemonTime(page.known)),
    ),
    h('div.who', null, entry.who),
    entry.why && h('div.reason', null, entry.why),
    answered(answerOf(entry), page.known),
    changes.length > 0 &&
      h(
        'details',
        { open: changes.length < UNFOLDED_BELOW },
        h('summary', null, t('task.changed', { n: changes.length })),
        h(
          'ul.plain',
          null,
          changes.map((one) => change(one, page)),
        ),
      ),
  );
}

/** @param {[string, [unknown, unknown]]} change @param {Page} page */
function change([name, [old, fresh]], page) {
  const say = (/** @type {unknown} */ value) =>
    said(name, typeof value === 'string' ? value : written(value), page) || '–';
  const isNothing = (/** @type {unknown} */ value) => value === null || value === '';
  const was = !isNothing(old) && [h('del', null, say(old)), ' → '];
  return h(
    'li',
    null,
    `${fieldName(name)}: `,
    was,
    h('ins', null, isNothing(fresh) ? '–' : say(fresh)),
  );
}

/** @param {string} name @param {string} value @param {Page} page */
function said(name, value, page) {
  if (PEOPLE.has(name)) {
    return called(value, page.known);
  }
  if (name === 'labels') {
    return labelsIn(value).join(', ');
  }
  return name === 'status' ? statusName(value) : value;
}

/** @param {Entry} entry */
function colourOf({ kind, changes }) {
  if (kind === 'shutdown' || kind === 'recovered') {
    return kind === 'shutdown' ? 'dead' : 'live';
  }
  return stateOf(String(changes?.status?.[1] ?? ''));
}
