// Tasks as people see them: state, holder, the acts they may try, and how all this looks.

import { STATES, STEPS } from './claims.js';
import { h } from './dom.js';
import { known, nameOf, now } from './feed.js';
import { ago, t } from './words.js';

const NAMES = {
  '待领取': 'free', '已领取': 'claimed', '编辑中': 'editing', '待审核': 'review',
  草稿: 'waits', 待批准: 'waits', 待触发: 'waits', 待执行: 'waits',
  finish: 'done', finished: 'done', failed: 'failed', cancelled: 'cancelled', shutdown: 'dead',
};

const NOT_READY = Object.keys(NAMES).filter((status) => NAMES[status] === 'waits');
const spellings = (state) => Object.keys(STATES).filter((status) => STATES[status] === state);

export const COLUMNS = [
  { key: 'waits', where: { status: NOT_READY }, counts: NOT_READY, rare: true },
  { key: 'free', where: { status: spellings('待领取') }, counts: ['待领取'] },
  { key: 'claimed', where: { status: ['已领取'] }, counts: ['已领取'] },
  { key: 'editing', where: { status: ['编辑中'] }, counts: ['编辑中'] },
  { key: 'review', where: { status: spellings('待审核') }, counts: ['待审核'] },
  { key: 'live', where: { class: ['live'] }, counts: ['live'] },
  { key: 'dead', where: { status: ['shutdown', 'failed'] }, counts: ['shutdown', 'failed'] },
  { key: 'done', where: { status: ['finish', 'finished', 'cancelled'] }, counts: ['finish', 'cancelled'] },
];

/** Whether the person at the page may do everything. */
export const isAdmin = () => ['admin', 'operator'].includes(known.me?.role);

export const stateOf = (status) => NAMES[STATES[status] ?? status] ?? 'live';

export function columnOf(task) {
  const state = stateOf(task.status);
  return state === 'failed' ? 'dead' : state === 'cancelled' ? 'done' : state;
}

/** The steps that the person at the page may try with a task. The daemon has the last word. */
function stepsFrom(task) {
  const me = known.me, state = STATES[task.status];
  if (!me || !state) return [];
  const admin = isAdmin();
  const mine = task.user === me.user;
  const lead = admin || me.leads.includes(task.group_id);
  const own = mine || (me.user && task.submitted_by === me.user);
  // Left out are the daemon's own steps, and handing over, which is done with a person, not a task.
  const may = {
    'anybody it is meant for': me.user && (!task.user || mine),
    holder: mine,
    'holder or lead': mine || lead,
    lead,
    checker: !own && (admin || (task.checker ? task.checker === me.user : lead)),
  };
  return STEPS.filter((step) => step.at === state && may[step.who] && (step.had ?? Boolean(task.user)) === Boolean(task.user));
}

export const actsFor = (task) => stepsFrom(task).map((step) => step.act);

/** The act that dropping a task in a column means; null where it means none. */
export function actOfDrop(task, column) {
  // Assigning needs a name, which a drop does not give.
  const step = stepsFrom(task).find(({ act, at, to }) => act !== 'assign' && at !== to && stateOf(to) === column);
  return step?.act ?? null;
}

/** How far a task is, 0 to 1, by its field `progress`: 3/7 or 40%. */
export function progressOf(task) {
  const match = /^([\d.]+)\s*(?:\/\s*([\d.]+)|%)$/.exec(task.progress ?? '');
  if (!match) return null;
  const share = match[2] ? match[1] / match[2] : match[1] / 100;
  return isFinite(share) ? Math.min(1, Math.max(0, share)) : null;
}

export function badge(status) {
  const state = stateOf(status);
  return h(`span.badge.${state}`, null, state === 'live' ? status || t('state.live') : t(`state.${state}`));
}

/** A person's face: their initials in a colour that is always theirs. */
export function face(user) {
  const name = nameOf(user);
  let hue = 0;
  for (const character of user) hue = (hue * 31 + character.codePointAt(0)) % 360;
  const initials = /[\u3400-\u9fff]/.test(name) ? [...name].slice(-2).join('')
    : name.split(/\s+/).map((part) => [...part][0] ?? '').slice(0, 2).join('').toUpperCase();
  hue = (hue * 137) % 360;
  return h('span.face', { style: { '--hue': hue }, title: name, 'aria-hidden': 'true' }, initials || '?');
}

export function bar(task) {
  const share = progressOf(task);
  if (share === null) return null;
  const percent = Math.round(share * 100);
  return h('span.progress', { role: 'progressbar', 'aria-valuenow': percent, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-label': t('field.progress') },
    h('span', { style: { '--share': share } }));
}

/** Make an element that says how long ago a time is; the interval below keeps it right. */
export function since(stamp) {
  return h('time', { datetime: stamp, title: stamp, dataset: { since: stamp } }, ago(stamp, now()));
}

setInterval(() => {
  for (const node of document.querySelectorAll('[data-since]')) {
    const text = ago(node.dataset.since, now());
    if (node.textContent !== text) node.textContent = text;
  }
}, 1000);
