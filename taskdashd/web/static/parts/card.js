// A task as a card: what it is called, how it stands, who has it, and what may be done with it.

import { h } from '../core/elements.js';
import { KEYS, actsFor } from '../rules/acts.js';
import { labelsOf } from '../rules/filters.js';
import { isHeld, priorityOf, stateOf } from '../rules/states.js';
import { daemonTime } from '../wire/known.js';
import { answered } from './answered.js';
import { badge, pickedMark, progress } from './badge.js';
import { who } from './face.js';
import { opens } from './opening.js';
import { shortcut } from './shortcuts.js';
import { since, timeLeft } from './time.js';
import { t } from './words.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('./page').Page<any>} Page
 */

/**
 * Make the buttons of the acts that one may try with a task.
 * @param {Task} task
 * @param {Page} page
 * @param {{ whole: boolean }} [how] whether the whole task is shown
 */
export function actButtons(task, page, how) {
  const acts = actsFor(task, page.known.me, how);
  const isPending = page.pending.has(task.id);
  const button = (/** @type {import('../rules/acts').Act} */ act) => {
    // A disabled button would lose the focus.
    const press = () => isPending || page.act(act, task);
    const busy = isPending ? 'true' : null;
    const said = t(`act.${act}`);
    const props = {
      title: shortcut(KEYS[act], null),
      'aria-label': t('act.of', { act: said, name: task.name || task.id }),
    };
    return h('button', { key: act, ...props, 'aria-disabled': busy, onclick: press }, said);
  };
  return acts.length > 0 && h('span.acts', null, acts.map(button));
}

/**
 * Do the act of a key with a task, if there is one that one may try; tells whether so. A key that
 * is held down does nothing again.
 * @param {KeyboardEvent} event
 * @param {Task} task
 * @param {Page} page
 * @param {{ whole: boolean }} [how] whether the whole task is shown
 */
export function actByKey(event, task, page, how) {
  const acts = event.repeat ? [] : actsFor(task, page.known.me, how);
  const act = acts.find((one) => KEYS[one] === event.key);
  if (act) {
    page.act(act, task);
  }
  return act !== undefined;
}

/**
 * Make what says how much time is left of a claim, where it has an end.
 * @param {Task} task
 * @param {Page} page
 */
export const claimLeft = (task, page) =>
  isHeld(task.status) && task.claim_until
    ? timeLeft(task.claim_until, daemonTime(page.known))
    : null;

/**
 * Make a card, the item of a list.
 * @param {Task} task
 * @param {Page} page
 * @param {import('../core/types').Props} [more] what else its element has
 * @param {import('../core/types').Children} [about] what else is said of it
 */
export function card(task, page, more = {}, about = null) {
  const where = page.link('task', task.id, {});
  const isPending = page.pending.has(task.id);
  const labels = labelsOf(task);
  const tag = (/** @type {string} */ one) => h('span.label', { key: one }, one);
  const says = ['live', 'waits'].includes(stateOf(task.status));
  const isPicked = page.picking.ids.has(task.id);
  return h(
    `li.card${isPending ? '.pending' : ''}${isPicked ? '.picked' : ''}`,
    {
      'aria-busy': isPending ? 'true' : null,
      ...opens(where, page, task.id),
      ...more,
      dataset: { id: task.id },
    },
    isPicked && pickedMark(),
    h('a.name', { href: where, draggable: 'false' }, task.name || task.id),
    h(
      'span.meta',
      null,
      says && badge(task.status),
      task.group_id && h('span.group', null, task.group_id),
      priorityOf(task) !== null &&
        h('span.priority', { title: t('field.priority') }, `P${priorityOf(task)}`),
      h('span.id', null, task.id),
      since(task.updated_at, daemonTime(page.known)),
    ),
    about ?? (task.reason && h('span.reason', null, task.reason)),
    answered(task.acknowledged, page.known),
    labels.length > 0 && h('span.labels', null, labels.map(tag)),
    progress(task),
    task.progress && h('span.share', null, task.progress),
    task.user && h('span.foot', null, who(page.known, task.user), claimLeft(task, page)),
    isPending && h('span.onway', { role: 'status' }, t('act.onway')),
    actButtons(task, page),
  );
}
