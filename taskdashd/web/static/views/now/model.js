// What has just died, and what is stuck: pure.

import { columnOf, stateOf } from '../../rules/states.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').TaskEvent} TaskEvent
 * @typedef {import('../../wire/types').Service} Service
 * @typedef {ReadonlyMap<string, Task>} Tasks
 * @typedef {{ died: Tasks, hasMore: boolean, stuck: Tasks, isShort: boolean }} Model
 *   `hasMore` says that the daemon has others that died; `isShort` that fewer are known to be stuck
 *   than there may be
 * @typedef {{ at: string, service?: Service, task?: Task }} Line
 */

export const LINES = 6;
export const READ = 50;
const DIED_MAX = 200;
const WAITS = ['free', 'claimed', 'editing', 'review'];

/**
 * Take in events.
 * @param {Model} model
 * @param {readonly TaskEvent[]} events
 * @returns {Model}
 */
export function taken(model, events) {
  let died = new Map(model.died);
  let { hasMore } = model;
  const stuck = new Map(model.stuck);
  for (const { kind, task } of events) {
    died.delete(task.id);
    const was = stuck.delete(task.id);
    if (kind === 'gone') {
      continue;
    }
    if (columnOf(task) === 'dead' && isShown(task)) {
      died.set(task.id, task);
    } else if (WAITS.includes(stateOf(task.status)) && (was || stuck.size < READ)) {
      stuck.set(task.id, task);
    }
  }
  if (died.size > DIED_MAX) {
    const newest = [...died.values()].sort((one, other) => other.rev - one.rev);
    died = byId(newest.slice(0, READ));
    hasMore = true;
  }
  return { died, hasMore, stuck, isShort: model.isShort || stuck.size < LINES };
}

/** Whether nobody has dismissed that this has died. @param {Task | Service} one */
export const isShown = (one) => !one.acknowledged?.hide;

/** @param {readonly Task[]} tasks */
export const byId = (tasks) => new Map(tasks.map((one) => [one.id, one]));

/**
 * Give the lines of what has died, the newest first. A dead service is one line and its tasks have
 * none: the hundreds that died with it would fill the screen. What somebody has hidden has none.
 * @param {Tasks} died
 * @param {readonly Service[]} services
 * @returns {Line[]}
 */
export function deaths(died, services) {
  const gone = services.filter((one) => one.state === 'dead');
  const urls = new Set(gone.map((one) => one.url));
  const tasks = [...died.values()].filter((one) => !urls.has(one.url) && isShown(one));
  return [
    ...gone.filter(isShown).map((service) => ({ at: service.since, service })),
    ...tasks.map((task) => ({ at: task.shutdown_at || task.updated_at, task })),
  ]
    .sort((one, other) => (one.at < other.at ? 1 : -1))
    .slice(0, LINES);
}

/** Give what has not moved for longest. @param {Tasks} stuck */
export const oldest = (stuck) =>
  [...stuck.values()]
    .sort((one, other) => (one.updated_at < other.updated_at ? -1 : 1))
    .slice(0, LINES);
