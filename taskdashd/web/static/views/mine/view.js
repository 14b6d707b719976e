// Mine, where one lands: what was sent back and what one is to check, what was given, what one has.

import { h, lazy } from '../../core/elements.js';
import { dot } from '../../parts/badge.js';
import { actByKey, card } from '../../parts/card.js';
import { withFigures } from '../../parts/figures.js';
import { newcomer } from '../../parts/newcomer.js';
import { number, t } from '../../parts/words.js';
import { nameOf } from '../../wire/known.js';
import { nothing, partsOf, seenTo, taskIn } from './model.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('./model').Part} Part
 * @typedef {import('./model').Kind} Kind
 * @typedef {import('../../parts/page').Page<Model>} Page
 * @typedef {import('../../wire/types').Entry} Entry
 */

/** The state by whose colour and name a section goes. @type {Partial<Record<Kind, string>>} */
const STATES = { check: 'review', editing: 'editing', claimed: 'claimed' };
/** @type {Partial<Record<Kind, Record<string, string>>>} what the list shows all of */
const LISTS = {
  check: { state: 'review' },
  editing: { user: 'me', state: 'editing' },
  claimed: { user: 'me', state: 'claimed' },
};
const STEPS = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 });

/** @type {import('../../parts/page').View<Model>} */
export const view = {
  // What waits is read by the shell, for the title: here it is only shown.
  start: (_place, { waiting }) => (waiting ? partsOf(waiting, nothing) : nothing),

  read: withFigures,

  take: (model, news, { waiting }) => (news.waiting && waiting ? partsOf(waiting, model) : model),

  paint(page) {
    const { parts, isRead } = page.model;
    return [
      head(page),
      newcomer(page.known),
      isRead
        ? parts.length > 0
          ? h(
              'div.mine',
              null,
              parts.map((one) => section(one, page)),
            )
          : empty(page)
        : h('p.nothing', { key: 'reading', role: 'status' }, t('list.reading')),
    ];
  },

  key(event, page) {
    const target = /** @type {HTMLElement} */ (event.target);
    const node = /** @type {HTMLElement | null} */ (target.closest?.('.mine .card'));
    const task = node && taskIn(page.model, node.dataset.id ?? '');
    return (task !== null && actByKey(event, task, page)) || move(node, STEPS[event.key]);
  },
};

/** @param {Page} page */
function head(page) {
  const { waiting } = page.known;
  const all = waiting?.counts.all ?? 0;
  const about = all === 1 ? t('mine.one') : t('mine.about', { n: number(all) });
  return h(
    'div.viewhead',
    { key: 'head' },
    h('h1', null, t('view.mine')),
    h('p', null, all > 0 && about),
    seenTo(waiting) !== null &&
      h('button.seen', { onclick: () => seen(page), title: t('mine.seen.about') }, t('mine.seen')),
  );
}

/** Say that one has seen what others did: all that is shown, and nothing that comes meanwhile. */
async function seen(/** @type {Page} */ page) {
  const { me, waiting } = page.known;
  const rev = seenTo(waiting);
  if (!me || rev === null) {
    return;
  }
  try {
    await page.ask('SetPerson', { user: me.user, read_to: rev });
  } catch (error) {
    page.explain(error);
  }
}

/** @param {Page} page */
function empty(page) {
  const free = page.known.figures?.states['待领取'] ?? 0;
  return h(
    'div.welcome',
    { key: 'empty' },
    h('p', null, t('mine.empty')),
    free > 0 && h('a', { href: page.link('board', '', {}) }, t('mine.free', { n: number(free) })),
  );
}

/** @param {Part} part @param {Page} page */
function section({ key, entries, more }, page) {
  const state = STATES[key];
  const name = t(state ? `state.${state}` : `mine.${key}`);
  const id = `mine-${key}`;
  return h(
    `section.${key}`,
    { key, 'aria-labelledby': id },
    h(
      'header',
      null,
      dot(state ?? 'news'),
      h('h2', { id }, name),
      h('span.count', null, number(entries.length + more)),
    ),
    h(
      'ul.cards',
      null,
      entries.map((one) => item(one, page)),
    ),
    more > 0 &&
      h(
        'a',
        { href: page.link('list', '', LISTS[key] ?? {}) },
        t('mine.others', { n: number(entries.length + more) }),
      ),
  );
}

/** @param {Entry} one @param {Page} page */
function item(one, page) {
  const { me, people } = page.known;
  return lazy(one.id, [one, me, people, page.pending.has(one.id)], () => {
    const about = said(one, page);
    if (one.status) {
      return card(one, page, {}, about);
    }
    // Of a task that is out of sight, the daemon tells what it was called.
    return h('li.card.gone', null, h('span.name', null, one.name || one.id), about);
  });
}

/** @param {Entry} one @param {Page} page */
function said(one, page) {
  const { by, why, group_id, reason } = one;
  const [first = ''] = why;
  const word = one.word ?? reason;
  let what = first && t(`why.${first}`, { group: group_id });
  if (by !== undefined) {
    const itself = first === 'freed' && by === 'taskdashd';
    const who = by ? nameOf(page.known, by) : t('by.operator');
    what = t(itself ? 'by.freed.taskdashd' : `by.${first}`, { by: who });
  }
  const text = what && word ? t('by.word', { what, word }) : what || word;
  return text && h('span.reason', null, text);
}

/**
 * Move the focus to another card.
 * @param {HTMLElement | null} from
 * @param {number | undefined} by how many cards further; undefined where the key means nothing
 */
function move(from, by) {
  if (by === undefined) {
    return false;
  }
  const found = document.querySelectorAll('.mine .card a.name');
  const all = /** @type {HTMLElement[]} */ ([...found]);
  const here = from ? all.findIndex((one) => from.contains(one)) : by > 0 ? -1 : all.length;
  const next = all[here + by];
  next?.focus();
  return next !== undefined;
}
