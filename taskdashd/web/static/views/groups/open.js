// The open tasks by their groups: of some groups nothing else tells.

import { openOf } from './model.js';

/** @typedef {import('../../parts/page').Page<import('./model').Open>} Page */

/** Tasks that have not ended; such come along where a group is put into another. */
export const OPEN = { class: ['live', 'waiting'] };
export const TASKS_MAX = 1000;

/** @param {Page} page */
export async function readOpen(page) {
  const asked = { where: OPEN, order: 'group_id', limit: TASKS_MAX };
  const { tasks, next } = await page.ask('Query', asked);
  page.update(() => openOf(tasks, next === null));
}
