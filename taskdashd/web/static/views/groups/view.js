// Groups: who is in each, who leads it; the way to its work; and for admins, putting them in order.

import { h } from '../../core/elements.js';
import { oneAtATime } from '../../core/presses.js';
import { who } from '../../parts/face.js';
import { newcomer } from '../../parts/newcomer.js';
import { collate, number, t } from '../../parts/words.js';
import { isAdmin } from '../../rules/acts.js';
import { emptyGroup, mergeGroup, mergeOther, renameGroup } from './merging.js';
import { UNREAD, groupsOf, servicesIn } from './model.js';
import { readOpen } from './open.js';

/**
 * @typedef {import('./open').Page} Page
 * @typedef {import('./model').Group} Group
 * @typedef {import('./model').Open} Open
 * @typedef {import('../../wire/types').Person} Person
 */

/** @type {import('../../parts/page').View<Open>} */
export const view = {
  start: () => UNREAD,

  async read(page) {
    if (isAdmin(page.known.me)) {
      await readOpen(page);
    }
  },

  paint(page) {
    const { people, me } = page.known;
    const admin = isAdmin(me);
    const groups = admin
      ? groupsOf(people, null, collate, namedElsewhere(page))
      : groupsOf(people, me?.groups ?? [], collate);
    const names = groups.map(({ name }) => name);
    const other = () => act(page, () => mergeOther(page, names));
    return [
      h(
        'div.viewhead',
        null,
        h('h1', null, t('view.groups')),
        h('p', null, t('groups.about', { n: number(groups.length) })),
        !page.model.isAll && h('button', { onclick: other }, t('groups.other')),
      ),
      groups.length > 0
        ? h(
            'ul.groups',
            null,
            groups.map((group) => section(group, names, page)),
          )
        : newcomer(page.known) || h('p.nothing', null, t('groups.none')),
    ];
  },
};

/** Give the groups that services and open tasks name. @param {Page} page */
const namedElsewhere = ({ known, model }) => [
  ...known.services.map((one) => one.group_id),
  ...model.counts.keys(),
];

const acting = oneAtATime();

/**
 * Do something with a group, and look what there is then.
 * @param {Page} page
 * @param {() => Promise<boolean>} begin
 */
const act = (page, begin) =>
  acting(async () => {
    try {
      if (await begin()) {
        await readOpen(page);
      }
    } catch (error) {
      page.explain(error);
    }
  });

/** @param {Group} group @param {readonly string[]} names @param {Page} page */
function section(group, names, page) {
  const { name, leads, members } = group;
  const others = members.filter((one) => !leads.includes(one));
  const isEmpty = members.length === 0;
  return h(
    isEmpty ? 'li.panel.empty' : 'li.panel',
    { key: name },
    h('h2', null, name),
    h('p', null, said(group, page)),
    isEmpty
      ? h('p.nobody', null, t('groups.nobody.in'))
      : [
          h('h3', null, t('groups.leads')),
          leads.length > 0 ? list(leads, page) : h('p.nobody', null, t('groups.nobody')),
        ],
    others.length > 0 && [h('h3', null, t('groups.others')), list(others, page)],
    h(
      'p.row',
      null,
      ['board', 'list'].map((to) => leading(to, name, page)),
    ),
    isAdmin(page.known.me) && buttons(group, names, page),
  );
}

/**
 * Make what leads to the tasks of a group.
 * @param {string} to
 * @param {string} name
 * @param {Page} page
 */
function leading(to, name, page) {
  const word = t(`groups.${to}`);
  const href = page.link(to, '', { group: name });
  return h('a', { key: to, href, 'aria-label': t('act.of', { act: word, name }) }, word);
}

/** @param {Group} group @param {Page} page */
function said({ name, members, away }, { known, model }) {
  const services = servicesIn(known, name);
  const tasks = model.counts.get(name) ?? 0;
  return [
    members.length > 0 && t('groups.members', { n: number(members.length) }),
    away > 0 && t('groups.away', { n: number(away) }),
    members.length === 0 && services > 0 && t('groups.services', { n: number(services) }),
    members.length === 0 && tasks > 0 && model.isAll && t('groups.tasks', { n: number(tasks) }),
  ]
    .filter(Boolean)
    .join(' · ');
}

/** @param {Group} group @param {readonly string[]} names @param {Page} page */
function buttons({ name, members, away }, names, page) {
  const button = (/** @type {string} */ key, /** @type {() => Promise<boolean>} */ begin) =>
    h(
      'button.link',
      {
        key,
        'aria-label': t('act.of', { act: t(`groups.${key}`), name }),
        onclick: () => act(page, begin),
      },
      t(`groups.${key}`),
    );
  return h(
    'p.row.doing',
    null,
    button('rename', () => renameGroup(page, name, names)),
    names.length > 1 && button('merge', () => mergeGroup(page, name, names)),
    members.length + away > 0 && button('empty', () => emptyGroup(page, name)),
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
