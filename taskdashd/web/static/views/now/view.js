// The wall screen: what has just died, what is stuck, and the few numbers that matter.

import { h } from '../../core/elements.js';
import { shortName } from '../../parts/answered.js';
import { badge } from '../../parts/badge.js';
import { since } from '../../parts/time.js';
import { number, t } from '../../parts/words.js';
import { daemonTime, nameOf } from '../../wire/known.js';
import { LINES, READ, byId, deaths, oldest, taken } from './model.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('./model').Line} Line
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../parts/page').Page<Model>} Page
 */

/** A figure of more characters is written smaller, or it would not fit its tile. */
const SHORT = 3;

/** @type {import('../../parts/page').View<Model>} */
export const view = {
  start: () => ({ died: new Map(), hasMore: false, stuck: new Map(), isShort: false }),

  async read(page) {
    const [dead, waits] = await Promise.all([
      readDead(page),
      page.ask('Query', { where: { class: 'waiting' }, order: 'rev', limit: READ }),
      page.ask('Figures', {}),
    ]);
    page.update(() => ({ ...dead, stuck: byId(waits.tasks), isShort: false }));
  },

  // Fewer tasks are left here than there are lines, and the daemon has more.
  reads: (news, known, model) =>
    Boolean(news.events) &&
    ((model.isShort && (known.figures?.states['待领取'] ?? 0) > LINES) ||
      (model.hasMore && model.died.size < LINES)),

  take: (model, news) => (news.events ? taken(model, news.events) : model),

  // The clock.
  ticks: true,

  paint(page) {
    const { died, stuck } = page.model;
    const lines = deaths(died, page.known.services);
    const waits = oldest(stuck);
    return h(
      'div.wall',
      null,
      h('h1.hidden', null, t('view.now')),
      h('header', null, clock(page)),
      h('div.tiles', null, tiles(page)),
      h(
        'div.two',
        null,
        half(
          'died',
          lines.map((one) => line(one, page)),
        ),
        half(
          'stuck',
          waits.map((task) => line({ at: task.updated_at, task }, page)),
        ),
      ),
    );
  },
};

/** Read what has died last, but for what was dismissed. @param {Page} page */
async function readDead(page) {
  const where = { status: ['shutdown', 'failed'], acknowledged: ['no', 'seen'] };
  const found = await page.ask('Query', { where, order: '-rev', limit: READ });
  return { died: byId(found.tasks), hasMore: found.next !== null };
}

/** @param {Page} page */
function clock({ known }) {
  const how = /** @type {const} */ ({ hour: '2-digit', minute: '2-digit' });
  const at = new Date(daemonTime(known));
  return h('time.clock', null, at.toLocaleTimeString(document.documentElement.lang, how));
}

/** @param {Page} page */
function tiles(page) {
  const { figures, services } = page.known;
  const states = figures?.states ?? {};
  const unanswered = (states.shutdown ?? 0) + (states.failed ?? 0);
  const dead = services.filter((one) => one.state === 'dead');
  const isAnswered = dead.every((one) => one.acknowledged);
  const count = (/** @type {string[]} */ ...names) =>
    number(names.reduce((sum, name) => sum + (states[name] ?? 0), 0));
  /** @type {(name: string, said: string, kind: string, href: string | null) => Element} */
  const tile = (name, said, kind, href) => {
    const label = h('span', null, t(`now.${name}`));
    const size = said.length > SHORT ? '.long' : '';
    return h(`a.tile.${kind}${size}`, { key: name, href }, h('strong', null, said), label);
  };
  const list = (/** @type {string} */ state, more = {}) =>
    page.link('list', '', { state, ...more });
  const nobodys = list('dead', { answer: 'no' });
  return [
    tile('running', count('live'), 'live', list('live')),
    tile('free', count('待领取'), 'free', list('free')),
    tile('work', count('已领取', '编辑中'), 'editing', list('work')),
    tile('review', count('待审核'), 'review', list('review')),
    tile('unanswered', number(unanswered), unanswered ? 'dead' : 'calm', nobodys),
    tile(
      'services',
      `${number(services.length - dead.length)}/${number(services.length)}`,
      isAnswered ? 'calm' : 'dead',
      page.link('services', '', {}),
    ),
  ];
}

/** @param {string} name @param {Element[]} lines */
function half(name, lines) {
  const shown = lines.length > 0 ? lines : h('li.nothing', null, t(`now.${name}.none`));
  return h('section.panel', null, h('h2', null, t(`now.${name}`)), h('ul.lines', null, shown));
}

/** @param {Line} one @param {Page} page */
function line({ at, service, task }, page) {
  const now = daemonTime(page.known);
  if (service) {
    const href = page.link('services', '', {});
    const name = h('a', { href }, service.name || service.url);
    const word = h('span.badge.dead', null, t('service.dead'));
    const seen = mark(service, page);
    return h('li.service', { key: service.url }, word, name, seen, since(at, now));
  }
  const one = /** @type {Task} */ (task);
  const { id, name, status, user, group_id } = one;
  const who = user ? nameOf(page.known, user) : group_id;
  const link = h('a', { href: page.link('task', id, {}) }, name || id);
  const seen = mark(one, page);
  return h('li', { key: id }, badge(status), link, h('span.who', null, who), seen, since(at, now));
}

/**
 * Make who has seen that something died.
 * @param {Task | import('../../wire/types').Service} one
 * @param {Page} page
 */
const mark = ({ acknowledged }, page) =>
  acknowledged && h('span.who', null, `✓ ${shortName(page.known, acknowledged.by)}`);
