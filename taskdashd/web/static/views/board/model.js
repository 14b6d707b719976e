// The columns of the board: pure.
//
// A card stays where it is: a change within its column changes it in place, and what comes in comes
// on top. Cards that moved with each beat could not be aimed at.

import { COLUMNS, columnOf } from '../../rules/states.js';
import { matches } from '../../rules/filters.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').TaskEvent} TaskEvent
 * @typedef {import('../../rules/filters').Filter} Filter
 * @typedef {{
 *   tasks: ReadonlyMap<string, Task>,
 *   hasMore: boolean,
 *   rest: number | null,
 *   isRead: boolean,
 * }} Filled the tasks of a column, in their order; `hasMore` says that the daemon has others, and
 *   `rest` how many, once they were counted
 * @typedef {{
 *   filter: Filter,
 *   columns: Readonly<Record<string, Filled>>,
 *   told: ReadonlyMap<string, number>,
 * }} Model `told` are the revs of events that came while columns are being read, by task
 */

export const SHOWN = 60;
const TOLD_MAX = 5000;
const NONE = /** @type {Filled} */ ({
  tasks: new Map(),
  hasMore: false,
  rest: null,
  isRead: false,
});

/** @param {Filter} filter @returns {Model} */
export const empty = (filter) => ({
  filter,
  columns: Object.fromEntries(COLUMNS.map(({ key }) => [key, NONE])),
  told: new Map(),
});

/**
 * Give the model with the tasks of a column as they were read.
 * @param {Model} model
 * @param {string} key
 * @param {readonly Task[]} tasks the newest change first
 * @param {boolean} hasMore
 * @returns {Model}
 */
export function read(model, key, tasks, hasMore) {
  const old = model.columns[key];
  // What was told meanwhile is newer than what was read.
  const isNews = (/** @type {Task} */ task) => (model.told.get(task.id) ?? 0) > task.rev;
  const news = [...old.tasks.values()].filter((task) => model.told.has(task.id));
  const found = tasks.filter((task) => !isNews(task));
  const known = new Map([...news, ...found].map((task) => [task.id, task]));
  // Cards that are there already keep their places, in the order in which they were.
  const stay = [...old.tasks.keys()].filter((id) => known.has(id));
  const come = [...known.keys()].filter((id) => !old.tasks.has(id));
  const order = old.isRead ? [...come, ...stay] : [...known.keys()];
  const filled = new Map(order.map((id) => [id, /** @type {Task} */ (known.get(id))]));
  const columns = { ...model.columns, [key]: { tasks: filled, hasMore, rest: null, isRead: true } };
  const isAllRead = Object.values(columns).every((one) => one.isRead);
  return { ...model, columns, told: isAllRead ? new Map() : model.told };
}

/**
 * Take in events.
 * @param {Model} model
 * @param {readonly TaskEvent[]} events
 * @param {(user: string) => string} nameOf
 * @returns {Model}
 */
export function taken(model, events, nameOf) {
  /** @type {Map<string, Map<string, Task>>} */
  const changed = new Map();
  const tasksOf = (/** @type {string} */ key) => {
    const tasks = changed.get(key) ?? new Map(model.columns[key].tasks);
    changed.set(key, tasks);
    return tasks;
  };
  const told = new Map(model.told);
  for (const { rev, kind, task } of events) {
    if (told.size < TOLD_MAX) {
      told.set(task.id, rev);
    }
    const to = kind !== 'gone' && matches(task, model.filter, nameOf) ? columnOf(task) : null;
    const was = COLUMNS.find(({ key }) =>
      (changed.get(key) ?? model.columns[key].tasks).has(task.id),
    )?.key;
    if (was && was !== to) {
      tasksOf(was).delete(task.id);
    }
    if (to && (was || kind !== 'updated' || comesIn(to, model.columns[to]))) {
      put(tasksOf(to), task);
    }
  }
  const isReading = Object.values(model.columns).some((one) => !one.isRead);
  const columns = { ...model.columns };
  for (const [key, tasks] of changed) {
    columns[key] = { ...columns[key], ...cut(tasks, columns[key].hasMore) };
  }
  return { ...model, columns, told: isReading ? told : new Map() };
}

/**
 * Whether a change of a task that is not among those shown brings it there. A running task only
 * goes on: where the daemon has more, each beat would push out another.
 * @param {string} key
 * @param {Filled} column
 */
const comesIn = (key, column) => key !== 'live' || !column.hasMore || column.tasks.size < SHOWN;

/** @param {Map<string, Task>} tasks @param {Task} task in place, or on top */
function put(tasks, task) {
  if (tasks.has(task.id)) {
    tasks.set(task.id, task);
    return;
  }
  const others = [...tasks];
  tasks.clear();
  tasks.set(task.id, task);
  for (const [id, one] of others) {
    tasks.set(id, one);
  }
}

/** @param {Map<string, Task>} tasks @param {boolean} hasMore */
function cut(tasks, hasMore) {
  if (tasks.size <= 2 * SHOWN) {
    return { tasks, hasMore };
  }
  return { tasks: new Map([...tasks].slice(0, SHOWN)), hasMore: true };
}

/**
 * Give the columns that are short of cards while the daemon has more for them.
 * @param {Model} model
 */
export const short = (model) =>
  COLUMNS.filter(({ key }) => {
    const { hasMore, isRead, tasks } = model.columns[key];
    return isRead && hasMore && tasks.size < SHOWN / 2;
  });

/**
 * Give the model once a column's tasks were counted.
 * @param {Model} model
 * @param {string} key
 * @param {number} all
 * @param {boolean} isWhole whether there are no more
 * @returns {Model}
 */
export function counted(model, key, all, isWhole) {
  const one = model.columns[key];
  const rest = isWhole ? Math.max(0, all - one.tasks.size) : null;
  return { ...model, columns: { ...model.columns, [key]: { ...one, rest } } };
}
