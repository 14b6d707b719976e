// What has happened to a task, the newest first.

import { h } from '../../core/elements.js';
import { dot } from '../../parts/badge.js';
import { since } from '../../parts/time.js';
import { t } from '../../parts/words.js';
import { stateOf } from '../../rules/states.js';
import { daemonTime } from '../../wire/known.js';
import { fieldName } from './fields.js';
import { shownChanges } from './model.js';

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
    changes.length > 0 &&
      h(
        'details',
        { open: changes.length < UNFOLDED_BELOW },
        h('summary', null, t('task.changed', { n: changes.length })),
        h('ul.plain', null, changes.map(change)),
      ),
  );
}

/** @param {[string, [unknown, unknown]]} change */
function change([name, [old, fresh]]) {
  const was = old !== null && old !== '' && [h('del', null, String(old)), ' → '];
  return h('li', null, `${fieldName(name)}: `, was, h('ins', null, String(fresh ?? '–')));
}

/** @param {Entry} entry */
function colourOf({ kind, changes }) {
  if (kind === 'shutdown' || kind === 'recovered') {
    return kind === 'shutdown' ? 'dead' : 'live';
  }
  return stateOf(String(changes?.status?.[1] ?? ''));
}
