// One task: its fields, what may be done with it, how far it is, and all that has happened to it.

import { h } from '../../core/elements.js';
import { answered } from '../../parts/answered.js';
import { badge, progress } from '../../parts/badge.js';
import { actButtons, actByKey, claimLeft } from '../../parts/card.js';
import { t } from '../../parts/words.js';
import { copyId, fieldRows } from './fields.js';
import { history } from './history.js';
import { labelRow } from './labels.js';
import { joined, opened, taken } from './model.js';

/**
 * @typedef {import('./model').Model} Model
 * @typedef {import('../../parts/page').Page<Model>} Page
 * @typedef {import('../../wire/types').Task} Task
 */

const PAGE = 50;
const PARTS = 100;
const WHOLE = { whole: true };

/** @type {import('../../parts/page').View<Model>} */
export const view = {
  start: (place) => opened(place.about),

  async read(page) {
    const { id } = page.model;
    page.update((model) => ({ ...model, isStale: false }));
    // Find would give the task's members beside those of the answer itself, which has a `seq` too.
    const found = await page.ask('Query', { where: { id }, limit: 1 });
    const task = /** @type {Task | null} */ (found.tasks[0] ?? null);
    page.update((model) => ({ ...model, task, isMissing: task === null }));
    if (task === null) {
      return;
    }
    const [log, family] = await Promise.all([
      page.ask('Audit', { task: id, limit: PAGE }),
      page.ask('Query', { where: { parent_id: id }, limit: PARTS }),
    ]);
    page.update((model) => ({
      ...model,
      entries: joined(model.entries, log.entries),
      older: model.entries.length > 0 ? model.older : log.next,
      parts: family.tasks,
    }));
  },

  take: (model, news) => (news.events ? taken(model, news.events) : model),
  reads: (_news, _known, model) => model.isStale,

  title: ({ model }) => model.task?.name || model.id,

  paint(page) {
    const { task, id, isMissing } = page.model;
    if (isMissing) {
      return missing(page, id);
    }
    return (
      task &&
      h(
        'article.task',
        null,
        h(
          'div.taskhead',
          null,
          h('h1', null, task.name || task.id),
          badge(task.status),
          claimLeft(task, page),
        ),
        h('div.idrow', null, copyId(task, page)),
        task.progress && h('div.big', null, progress(task), h('span', null, task.progress)),
        labelRow(task, page),
        answered(task.acknowledged, page.known),
        h('div.row', null, actButtons(task, page, WHOLE)),
        h(
          'div.two',
          null,
          h('section.panel', null, fieldRows(task, page), parts(page)),
          h(
            'section.panel',
            null,
            history(page, () => readOlder(page)),
          ),
        ),
      )
    );
  },

  key(event, page) {
    const { task } = page.model;
    return task !== null && actByKey(event, task, page, WHOLE);
  },
};

/** @param {Page} page */
async function readOlder(page) {
  try {
    const { id, older } = page.model;
    const log = await page.ask('Audit', { task: id, limit: PAGE, after: older });
    page.update((model) => ({
      ...model,
      entries: joined(model.entries, log.entries),
      older: log.next,
    }));
  } catch (error) {
    page.explain(error);
  }
}

/** @param {Page} page */
function parts(page) {
  const { parts: all } = page.model;
  const line = (/** @type {Task} */ one) => {
    const link = h('a', { href: page.link('task', one.id, {}) }, one.name || one.id);
    return h('li', { key: one.id }, badge(one.status), ' ', link);
  };
  return (
    all.length > 0 && [h('h2', null, t('task.parts')), h('ul.plain.parts', null, all.map(line))]
  );
}

/** @param {Page} page @param {string} id */
const missing = (page, id) =>
  h(
    'div.welcome',
    null,
    h('h1', null, t('task.none', { id })),
    h('p', null, t('task.none.about')),
    h('p', null, h('a', { href: page.link('board', '', {}) }, t('view.board'))),
  );
