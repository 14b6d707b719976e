// The words on an empty board or list: how to begin.

import { h } from '../core/elements.js';
import { newcomer } from './newcomer.js';
import { t } from './words.js';

/**
 * Make a program that is connected to this daemon.
 * @param {string} lines what it does then
 */
export const program = (lines) =>
  listing(`import taskdash

with taskdash.connect("taskdash://${location.hostname}:13920") as dash:
${lines.replace(/^/gm, '    ')}`);

/** @param {string} text */
const listing = (text) => h('pre', { tabindex: 0 }, h('code', null, text));

/**
 * Whether whoever looks sets services up: to others a program says nothing. Where there is neither
 * an administrator nor a group yet, that is whoever tries TaskDash.
 * @param {import('../wire/types').Known} known
 */
export const setsUp = ({ me, admins }) =>
  me?.role === 'admin' || (me?.groups.length === 0 && admins.length === 0);

/** @param {import('../wire/types').Known} known */
export function welcome(known) {
  const title = h('h2', null, t('welcome.title'));
  if (!setsUp(known)) {
    return h('div.welcome', null, newcomer(known), title);
  }
  return h(
    'div.welcome',
    null,
    newcomer(known),
    title,
    h('p', null, t('welcome.about')),
    program('with dash.task("hello-1", name="My first task") as task:\n    task.progress(1, 2)'),
    h('p', null, t('welcome.shell')),
    listing('taskdash-ctl run --name "Build" -- make'),
  );
}
