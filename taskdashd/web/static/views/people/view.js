// People: who has how much, who has too much, who waits for work.

import { h, lazy } from '../../core/elements.js';
import { dot } from '../../parts/badge.js';
import { face } from '../../parts/face.js';
import { collate, number, t } from '../../parts/words.js';
import { isAdmin } from '../../rules/acts.js';
import { editPerson } from './edit.js';
import { handOver } from './handover.js';
import { loadSaid } from './load.js';
import { LOADS, rowsOf } from './model.js';

/**
 * @typedef {import('../../parts/page').Page<null>} Page
 * @typedef {import('../../parts/page').View<null>} View
 * @typedef {import('./model').Row} Row
 */

/** @type {View} */
export const view = {
  start: () => null,

  async read(page) {
    await page.ask('Figures', {});
  },

  paint(page) {
    const { rows, most, free } = rowsOf(page.known, collate);
    const admin = isAdmin(page.known.me);
    return [
      h(
        'div.viewhead',
        null,
        h('h1', null, t('view.people')),
        h('p', null, t('people.about', { free: number(free) })),
        admin && h('button', { onclick: () => editPerson(page, null) }, t('people.add')),
      ),
      // Without the figures, rows and buttons would stand elsewhere than a moment later.
      page.known.figures === null
        ? h('p.nothing', { role: 'status' }, t('list.reading'))
        : h(
            'ul.people.panels',
            null,
            rows.map((row) =>
              lazy(row.person.user, [JSON.stringify(row), most, page.known.me], () =>
                line(row, most, page),
              ),
            ),
          ),
      h(
        'p.legend',
        null,
        LOADS.map(([, state]) => h('span', null, dot(state), t(`state.${state}`))),
      ),
    ];
  },
};

/** @param {Row} row @param {number} most @param {Page} page */
function line({ person, load, isFull, isFree }, most, page) {
  const { me } = page.known;
  const admin = isAdmin(me);
  const leads = me?.leads.some((group) => person.groups.includes(group));
  // Also of who holds nothing: what somebody is to check is not counted here.
  const mayGive = admin || person.user === me?.user || leads;
  const ownNumber = person.name === person.user ? '' : person.user;
  const about = [ownNumber, t(`role.${person.role}`), person.groups.join(', ')];
  const where = page.link('list', '', { user: person.user });
  const button = (/** @type {string} */ word, /** @type {() => void} */ onclick) => {
    const label = t('act.of', { act: t(word), name: person.name });
    return h('button', { key: word, 'aria-label': label, onclick }, t(word));
  };
  return h(
    person.active ? 'li' : 'li.inactive',
    null,
    h(
      'a.who',
      { href: where },
      face(page.known, person.user),
      h(
        'span',
        null,
        h('strong', null, person.name),
        h('small', null, about.filter(Boolean).join(' · ')),
      ),
    ),
    bars(load, most),
    h('span.tag', null, tag(person.active, isFull, isFree)),
    h(
      'span.row',
      null,
      mayGive && button('handover', () => handOver(page, person)),
      admin && button('edit', () => editPerson(page, person)),
    ),
  );
}

/** @param {Row['load']} load @param {number} most */
function bars(load, most) {
  const there = load.filter(([, count]) => count > 0);
  const bar = (/** @type {typeof load[number]} */ [state, count]) =>
    h(`span.${state}`, { style: { '--share': count / most } }, number(count));
  return h(
    'span',
    null,
    h('span.load', { 'aria-hidden': 'true' }, there.map(bar)),
    // Not by the colours alone.
    h('small', null, there.length > 0 ? loadSaid(load) : h('span.hidden', null, loadSaid(load))),
  );
}

/** @param {boolean} isActive @param {boolean} isFull @param {boolean} isFree */
function tag(isActive, isFull, isFree) {
  if (!isActive) {
    return t('people.inactive');
  }
  if (isFull) {
    return h('span.badge.dead', null, t('people.full'));
  }
  return isFree && h('span.badge.free', null, t('people.waits'));
}
