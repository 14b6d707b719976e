// The labels of a task: each finds what else has it; who may adds some, or takes them away.

import { h } from '../../core/elements.js';
import { t } from '../../parts/words.js';
import { mayLabel } from '../../rules/acts.js';
import { LABEL_CHARACTERS_MAX, labelsOf } from '../../rules/filters.js';

/**
 * @typedef {import('../../parts/page').Page<import('./model').Model>} Page
 * @typedef {import('../../wire/types').Task} Task
 */

/** @param {Task} task @param {Page} page */
export function labelRow(task, page) {
  const may = mayLabel(task, page.known.me);
  const labels = labelsOf(task);
  const item = (/** @type {string} */ one) => {
    const said = t('label.remove', { label: one });
    const remove = () => change(task, page, { remove: [one] });
    return h(
      'span.label',
      { key: one },
      h('a', { href: page.link('list', '', { label: one }) }, one),
      may && h('button.link', { title: said, 'aria-label': said, onclick: remove }, '×'),
    );
  };
  return (
    (may || labels.length > 0) &&
    h(
      'div.labels',
      { role: 'group', 'aria-label': t('field.labels') },
      labels.map(item),
      may && adding(task, page),
    )
  );
}

/** @param {Task} task @param {Page} page */
function adding(task, page) {
  const add = async (/** @type {any} */ event) => {
    event.preventDefault();
    const field = event.target.elements.label;
    const label = field.value.trim();
    if (!label) {
      return;
    }
    // At once: the next one may be typed while this one is on its way.
    field.value = '';
    if (!(await change(task, page, { add: [label] }))) {
      field.value ||= label;
    }
  };
  const said = t('label.new');
  return h(
    'form',
    { key: ' add', onsubmit: add },
    h('input', {
      name: 'label',
      'aria-label': said,
      placeholder: said,
      maxlength: LABEL_CHARACTERS_MAX,
      autocomplete: 'off',
    }),
    h('button', null, t('label.add')),
  );
}

/**
 * Change labels, and give whether that was done.
 * @param {Task} task
 * @param {Page} page
 * @param {{ add?: string[], remove?: string[] }} what
 */
async function change(task, page, what) {
  try {
    await page.ask('SetLabels', { id: task.id, ...what });
    return true;
  } catch (error) {
    page.explain(error);
    return false;
  }
}
