// What a task is to people: its state, who has it, what may be done with it.

import { h } from './dom.js';
import { known, nameOf, now } from './feed.js';
import { ago, t } from './words.js';

const STATES = {
  '待领取': 'free', pending: 'free', '已领取': 'claimed', '编辑中': 'editing', '待审核': 'review', review: 'review',
  finish: 'done', finished: 'done', failed: 'failed', cancelled: 'cancelled', shutdown: 'dead',
};

export const COLUMNS = [
  { key: 'free', where: { status: ['待领取', 'pending'] }, counts: ['待领取'] },
  { key: 'claimed', where: { status: ['已领取'] }, counts: ['已领取'] },
  { key: 'editing', where: { status: ['编辑中'] }, counts: ['编辑中'] },
  { key: 'review', where: { status: ['待审核', 'review'] }, counts: ['待审核'] },
  { key: 'live', where: { class: ['live'] }, counts: ['live'] },
  { key: 'dead', where: { status: ['shutdown', 'failed'] }, counts: ['shutdown', 'failed'] },
  { key: 'done', where: { status: ['finish', 'finished', 'cancelled'] }, counts: ['finish', 'cancelled'] },
];

/** Whether whoever looks may do everything. */
export const isAdmin = () => ['admin', 'operator'].includes(known.me?.role);

export const stateOf = (status) => STATES[status] ?? 'live';

export function columnOf(task) {
  const state = stateOf(task.status);
  return state === 'failed' ? 'dead' : state === 'cancelled' ? 'done' : state;
}

const HELD = new Set(['claimed', 'editing']);

/** The acts that whoever looks may try with a task. The daemon has the last word. */
export function actsFor(task) {
  const me = known.me, state = stateOf(task.status), acts = [];
  if (!me) return acts;
  const admin = isAdmin();
  const mine = task.user === me.user;
  const lead = admin || me.leads.includes(task.group_id);
  const own = mine || (me.user && task.submitted_by === me.user);
  const checks = !own && (admin || (task.checker ? task.checker === me.user : lead));
  if (state === 'free' && me.user && (!task.user || mine)) acts.push('claim');
  if (state === 'claimed' && mine) acts.push('begin');
  if (HELD.has(state) && mine) acts.push('submit');
  if (HELD.has(state) && (mine || lead)) acts.push('release');
  if (state === 'review' && checks) acts.push('approve', 'reject');
  if (['free', 'claimed', 'editing'].includes(state) && lead) acts.push('assign');
  return acts;
}

/** The act that dropping a task in a column means; null where it means none. */
export function actOfDrop(task, column) {
  const from = columnOf(task);
  const act = {
    'free>claimed': 'claim', 'claimed>editing': 'begin', 'claimed>free': 'release', 'editing>free': 'release',
    'claimed>review': 'submit', 'editing>review': 'submit', 'review>done': 'approve', 'review>editing': 'reject',
  }[`${from}>${column}`];
  return act && actsFor(task).includes(act) ? act : null;
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

/** A time that keeps up with the clock. */
export function since(stamp) {
  return h('time', { datetime: stamp, title: stamp, dataset: { since: stamp } }, ago(stamp, now()));
}

setInterval(() => {
  for (const node of document.querySelectorAll('[data-since]')) {
    const text = ago(node.dataset.since, now());
    if (node.textContent !== text) node.textContent = text;
  }
}, 1000);
