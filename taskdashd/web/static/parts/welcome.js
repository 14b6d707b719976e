// The words on an empty board or list: how to begin.

import { h } from '../core/elements.js';
import { newcomer } from './newcomer.js';
import { t } from './words.js';

/** @param {import('../wire/types').Known} known */
export function welcome(known) {
  const lines = `import taskdash

with taskdash.connect("taskdash://${location.hostname}:13920") as dash:
    with dash.task("hello-1", name="My first task") as task:
        task.progress(1, 2)`;
  const code = (/** @type {string} */ text) => h('pre', { tabindex: 0 }, h('code', null, text));
  return h(
    'div.welcome',
    null,
    newcomer(known),
    h('h2', null, t('welcome.title')),
    h('p', null, t('welcome.about')),
    code(lines),
    h('p', null, t('welcome.shell')),
    code('taskdash-ctl run --name "Build" -- make'),
  );
}
