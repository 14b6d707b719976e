// Groups: who is in each, who leads it; and the way to its work.

import { h } from '../../core/elements.js';
import { who } from '../../parts/face.js';
import { newcomer } from '../../parts/newcomer.js';
import { collate, number, t } from '../../parts/words.js';
import { isAdmin } from '../../rules/acts.js';
import { groupsOf } from './model.js';

/**
 * @typedef {import('../../parts/page').Page<null>} Page
 * @typedef {import('./model').Group} Group
 * @typedef {import('../../wire/types').Person} Person
 */

/** @type {import('../../parts/page').View<null>} */
export const view = {
  start: () => null,

  paint(page) {
    const { people, me } = page.known;
    const groups = groupsOf(people, isAdmin(me) ? null : (me?.groups ?? []), collate);
    return [
      h(
        'div.viewhead',
        null,
        h('h1', null, t('view.groups')),
        h('p', null, t('groups.about', { n: number(groups.length) })),
      ),
      groups.length > 0
        ? h(
            'ul.groups',
            null,
            groups.map((group) => section(group, page)),
          )
        : newcomer(page.known) || h('p.nothing', null, t('groups.none')),
    ];
  },
};

/** @param {Group} group @param {Page} page */
function section({ name, leads, members, away }, page) {
  const said = [t('groups.members', { n: number(members.length) })];
  if (away > 0) {
    said.push(t('groups.away', { n: number(away) }));
  }
  const others = members.filter((one) => !leads.includes(one));
  return h(
    'li.panel',
    { key: name },
    h('h2', null, name),
    h('p', null, said.join(' · ')),
    h('h3', null, t('groups.leads')),
    leads.length > 0 ? list(leads, page) : h('p.nobody', null, t('groups.nobody')),
    others.length > 0 && [h('h3', null, t('groups.others')), list(others, page)],
    h(
      'p.row',
      null,
      h('a', { href: page.link('board', '', { group: name }) }, t('groups.board')),
      h('a', { href: page.link('list', '', { group: name }) }, t('groups.list')),
    ),
  );
}

/** @param {readonly Person[]} people @param {Page} page */
const list = (people, page) =>
  h(
    'ul.plain',
    null,
    people.map((one) =>
      h(
        'li',
        { key: one.user },
        h(
          'a.who',
          { href: page.link('list', '', { user: one.user }) },
          who(page.known, one.user),
          one.name !== one.user && h('small', null, one.user),
        ),
      ),
    ),
  );
