// The fields of a task, each as what it is: a person, a time, a link, a text.

import { h } from '../../core/elements.js';
import { written } from '../../core/json.js';
import { badge } from '../../parts/badge.js';
import { copied } from '../../parts/copying.js';
import { who } from '../../parts/face.js';
import { statusName } from '../../parts/reasons.js';
import { shortcut } from '../../parts/shortcuts.js';
import { since } from '../../parts/time.js';
import { has, t, when } from '../../parts/words.js';
import { daemonTime } from '../../wire/known.js';
import { PEOPLE, TIMES, shownFields } from './model.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 * @typedef {import('../../wire/types').Task} Task
 */

/** Give what a field is called. @param {string} name */
export const fieldName = (name) => (has(`field.${name}`) ? t(`field.${name}`) : name);

/** @param {Task} task @param {Page} page */
export const fieldRows = (task, page) => [
  h('h2', null, t('task.fields')),
  h(
    'dl.fields',
    null,
    shownFields(task).map((name) => [
      h('dt', { key: `name ${name}` }, fieldName(name)),
      h('dd', { key: `value ${name}` }, valueOf(name, task[name], page)),
    ]),
  ),
];

/** @param {string} name @param {unknown} value @param {Page} page */
function valueOf(name, value, page) {
  if (typeof value !== 'string') {
    return h('code', null, written(value));
  }
  if (PEOPLE.has(name)) {
    return who(page.known, value);
  }
  if (name === 'status') {
    return [badge(value), statusName(value) !== value && ` ${value}`];
  }
  if (TIMES.has(name)) {
    return [when(value), ' (', since(value, daemonTime(page.known)), ')'];
  }
  if (name === 'parent_id') {
    return h('a', { href: page.link('task', value, {}) }, value);
  }
  const isLink = name === 'url' && /^https?:\/\//.test(value);
  const props = { href: value, rel: 'noreferrer noopener', target: '_blank' };
  return isLink ? h('a', props, value) : value;
}

/**
 * Make the task's id, and what copies it.
 * @param {Task} task
 * @param {Page} page
 */
export function copyId(task, page) {
  const link = new URL(page.link('task', task.id, {}) ?? '', location.href).href;
  return [
    h('code', null, task.id),
    h(
      'button.link.copy',
      { title: shortcut('y', null), onclick: () => copied(task.id) },
      t('task.copy'),
    ),
    h('button.link', { onclick: () => copied(link) }, t('task.copylink')),
  ];
}
