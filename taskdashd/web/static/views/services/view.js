// Services: alive, late or dead, since when, and how the last day was.

import { h, lazy, s } from '../../core/elements.js';
import { dialog } from '../../core/dialogs.js';
import { toast } from '../../core/toasts.js';
import { perform } from '../../parts/acting.js';
import { answered } from '../../parts/answered.js';
import { dot } from '../../parts/badge.js';
import { reason } from '../../parts/reasons.js';
import { forHowLong } from '../../parts/time.js';
import { program, setsUp } from '../../parts/welcome.js';
import { collate, lasting, t, when } from '../../parts/words.js';
import { answersTo, isLead } from '../../rules/acts.js';
import { daemonTime } from '../../wire/known.js';
import { DAY_MS, partsOf, sorted } from './model.js';

/**
 * @typedef {import('./model').Changes} Changes
 * @typedef {import('../../wire/types').Service} Service
 * @typedef {{ days: ReadonlyMap<string, Changes> }} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 */

/** How wide a drawing of a day is, in units of its own. */
const WIDTH = 480;
/** How tall each state is drawn: not every reader sees its colour. */
const TALL = /** @type {Record<string, number>} */ ({ alive: 8, late: 14, dead: 20 });
/** A drawing moves on so often. */
const STEP_MS = 60_000;

/** @type {import('../../parts/page').View<Model>} */
export const view = {
  start: () => ({ days: new Map() }),

  async read(page) {
    const { services } = await page.ask('Services', {});
    /** @type {Map<string, Changes>} */
    const days = new Map(services.map((/** @type {any} */ one) => [one.url, one.changes]));
    page.update(() => ({ days }));
  },

  // News tell only the present state of a service: what it was over the last day must be read.
  reads: (news) => news.services === true,

  // The drawings of the day.
  ticks: true,

  paint(page) {
    const rows = sorted(page.known.services, collate);
    const at = Math.floor(daemonTime(page.known) / STEP_MS);
    return [
      h('div.viewhead', null, h('h1', null, t('view.services')), h('p', null, t('services.about'))),
      rows.length === 0
        ? none(page)
        : h(
            'ul.services.panels',
            null,
            rows.map((one) => {
              const changes = page.model.days.get(one.url) ?? [];
              const { me, people } = page.known;
              return lazy(one.url, [one, changes, at, me, people], () => line(one, changes, page));
            }),
          ),
    ];
  },
};

/** @param {Service} one @param {Changes} changes @param {Page} page */
function line(one, changes, page) {
  const about = [one.url, one.group_id].filter(Boolean).join(' · ');
  const now = daemonTime(page.known);
  return h(
    'li',
    null,
    h(`span.state.${one.state}`, null, dot(one.state), t(`service.${one.state}`)),
    h('span.who', null, h('strong', null, one.name || one.url), h('small', null, about)),
    h('span', null, forHowLong(one.since, now)),
    strip(one, changes, now),
    h(
      'a',
      { href: page.link('list', '', { url: one.url }), ...labelled('services.tasks', one) },
      t('services.tasks'),
    ),
    one.state === 'dead' && death(one, page),
  );
}

/** Say also of which service a button is. @param {string} word @param {Service} one */
const labelled = (word, one) => ({
  'aria-label': t('act.of', { act: t(word), name: one.name || one.url }),
});

/**
 * Make who has answered that a service died, and what may be answered.
 * @param {Service} one
 * @param {Page} page
 */
function death(one, page) {
  const { me } = page.known;
  const ask = (/** @type {any} */ op, /** @type {any} */ body) => page.ask(op, body);
  const how = { known: () => page.known, ask, undo: () => null };
  return h(
    'span.row.death',
    null,
    answered(one.acknowledged, page.known),
    answersTo(one, me).map((act) =>
      h(
        'button',
        { key: act, ...labelled(`act.${act}`, one), onclick: () => perform(act, one, how) },
        t(`act.${act}`),
      ),
    ),
    isLead(me, one.group_id) &&
      h(
        'button',
        { key: 'retire', ...labelled('services.retire', one), onclick: () => retire(one, page) },
        t('services.retire'),
      ),
  );
}

/**
 * Forget a service that is not coming back, after asking.
 * @param {Service} one
 * @param {Page} page
 */
async function retire(one, page) {
  const name = one.name || one.url;
  const submit = async () => {
    try {
      await page.ask('RetireService', { url: one.url });
    } catch (error) {
      return reason(error, page.known);
    }
    toast(t('services.retired', { name }));
    return null;
  };
  const about = h('p', null, t('services.retire.about'));
  const how = { confirm: t('services.retire'), cancel: t('cancel'), submit };
  await dialog(t('services.retire.title', { name }), about, how);
}

/**
 * Draw the states of a service over the last day; before it was first seen nothing is known.
 * @param {Service} one
 * @param {Changes} changes
 * @param {number} now
 */
function strip(one, changes, now) {
  const x = (/** @type {number} */ ms) => (ms / DAY_MS) * WIDTH;
  const said = changes.map(([at, state]) => `${when(at)} ${t(`service.${state}`)}`).join('\n');
  const rects = partsOf(changes, now).map(({ from, to, state }) =>
    s('rect', {
      ...{ x: x(from), width: Math.max(1, x(to - from)) },
      ...{ y: 20 - TALL[state], height: TALL[state], class: state },
    }),
  );
  const about = {
    name: one.name || one.url,
    state: t(`service.${one.state}`),
    lasting: lasting(one.since, now),
  };
  return s(
    'svg',
    {
      class: 'strip',
      viewBox: `0 0 ${WIDTH} 20`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': t('services.strip', about),
    },
    s('title', null, said),
    s('rect', { x: 0, y: 0, width: WIDTH, height: 20, class: 'unknown' }),
    rects,
  );
}

/** @param {Page} page */
function none(page) {
  if (!setsUp(page.known)) {
    // Services of other groups are out of sight.
    return h('div.welcome', null, h('p', null, t('services.none.mine')));
  }
  return h(
    'div.welcome',
    null,
    h('h2', null, t('services.none')),
    h('p', null, t('services.none.about')),
    program('dash.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter")\n...'),
  );
}
