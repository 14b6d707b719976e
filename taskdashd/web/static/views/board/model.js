// The columns of the board: pure.
//
// A card stays where it is: a change within its column changes it in place, and what comes in comes
// where the column's order has it. Cards that moved with each beat could not be aimed at.

import { COLUMNS, columnOf } from '../../rules/states.js';
import { matches } from '../../rules/filters.js';
import { placed, woven } from './order.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').TaskEvent} TaskEvent
 * @typedef {import('../../rules/filters').Filter} Filter
 * @typedef {{
 *   tasks: ReadonlyMap<string, Task>,
 *   shown: number,
 *   hasMore: boolean,
 *   ids: ReadonlySet<string> | null,
 *   isMany: boolean,
 *   told: ReadonlyMap<string, boolean> | null,
 *   isRead: boolean,
 * }} Filled the tasks of a column, in their order; so many are `shown` at most, and `hasMore` says
 *   that the daemon has others. `ids` are those of all that a filter finds, once they were counted,
 *   and `isMany` says that these are too many to count;
 *   `told` says of tasks that came or went while they are being counted whether they are there
 * @typedef {{
 *   filter: Filter,
 *   orders: Readonly<Record<string, import('./order').Order>>,
 *   columns: Readonly<Record<string, Filled>>,
 *   told: ReadonlyMap<string, number>,
 *   readings: number,
 *   showsHidden: boolean,
 * }} Model `told` are the revs of events that came while columns are being read, by task; so many
 *   `readings` are under way. `showsHidden` says that what somebody has dismissed is shown all the
 *   same
 */

export const SHOWN = 60;
/** So many tasks of a filter are counted: each is read for it. */
export const COUNTED_MAX = 10_000;
const TOLD_MAX = 5000;
const NONE = /** @type {Filled} */ ({
  tasks: new Map(),
  shown: SHOWN,
  hasMore: false,
  ids: null,
  isMany: false,
  told: null,
  isRead: false,
});

/** @param {Filter} filter @param {Model['orders']} orders @returns {Model} */
export const empty = (filter, orders) => ({
  filter,
  orders,
  columns: Object.fromEntries(COLUMNS.map(({ key }) => [key, NONE])),
  told: new Map(),
  readings: 0,
  showsHidden: false,
});

/** Whether a filter asks for what was answered in some way. @param {Filter} filter */
const isOfAnswers = ({ where }) => 'acknowledged' in where;

/** Whether a task has a card. @param {Task} task @param {Model} model */
const isShown = (task, { showsHidden, filter }) =>
  showsHidden || isOfAnswers(filter) || !task.acknowledged?.hide;

/**
 * Whether a task counts in its column: a death does until somebody has answered.
 * @param {Task} task
 * @param {Model} model
 */
export const isCounted = (task, { filter }) => isOfAnswers(filter) || !task.acknowledged;

/** Give the model as columns begin to be read, or once they are. @param {Model} model */
export const reading = (model) => ({ ...model, readings: model.readings + 1 });
/** @param {Model} model @returns {Model} */
export function allRead(model) {
  const readings = Math.max(0, model.readings - 1);
  return { ...model, told: readings > 0 ? model.told : new Map(), readings };
}

/**
 * Give the model with a column that is to show more.
 * @param {Model} model
 * @param {string} key
 */
export const grown = (model, key) =>
  changed(model, key, { shown: Math.max(2 * model.columns[key].shown, SHOWN) });

/**
 * Give the model with a column that shows so many.
 * @param {Model} model
 * @param {string} key
 * @param {number} shown
 */
export const showing = (model, key, shown) => changed(model, key, { shown });

/**
 * Give the model with the tasks of a column as they were read.
 * @param {Model} model
 * @param {string} key
 * @param {readonly Task[]} tasks in the order of the column
 * @param {boolean} hasMore
 * @returns {Model}
 */
export function read(model, key, tasks, hasMore) {
  const old = model.columns[key];
  const order = model.orders[key];
  // What was told meanwhile is newer than what was read.
  const isNews = (/** @type {Task} */ task) => (model.told.get(task.id) ?? 0) > task.rev;
  const found = tasks.filter((task) => !isNews(task));
  const news = [...old.tasks.values()].filter((task) => model.told.has(task.id));
  const known = new Map([...found, ...news].map((task) => [task.id, task]));
  /** @type {readonly Task[]} */
  let all;
  if (old.isRead) {
    // Cards that are there already keep their places.
    const stay = [...old.tasks.keys()].flatMap((id) => known.get(id) ?? []);
    all = woven(stay, found);
  } else {
    const ids = new Set(news.map(({ id }) => id));
    all = news
      .sort((one, other) => one.rev - other.rev)
      .reduce(
        (list, one) => placed(list, one, order, hasMore),
        /** @type {readonly Task[]} */ (found.filter(({ id }) => !ids.has(id))),
      );
  }
  const filled = new Map(all.map((one) => [one.id, one]));
  return changed(model, key, { tasks: filled, hasMore, isRead: true });
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
  const moved = new Map();
  const tasksOf = (/** @type {string} */ key) => {
    const tasks = moved.get(key) ?? new Map(model.columns[key].tasks);
    moved.set(key, tasks);
    return tasks;
  };
  const told = new Map(model.told);
  for (const { rev, kind, task } of events) {
    if (told.size < TOLD_MAX) {
      told.set(task.id, rev);
    }
    const isThere = kind !== 'gone' && isShown(task, model);
    const to = isThere && matches(task, model.filter, nameOf) ? columnOf(task) : null;
    const was = COLUMNS.find(({ key }) =>
      (moved.get(key) ?? model.columns[key].tasks).has(task.id),
    )?.key;
    if (was && was !== to) {
      tasksOf(was).delete(task.id);
    }
    if (to && (was || kind !== 'updated' || comesIn(to, model.columns[to]))) {
      put(tasksOf(to), task, model.orders[to], model.columns[to].hasMore);
    }
  }
  const columns = tallied(model, events, nameOf);
  for (const [key, tasks] of moved) {
    columns[key] = { ...columns[key], ...cut(tasks, columns[key]) };
  }
  return { ...model, columns, told: model.readings > 0 ? told : model.told };
}

/**
 * Whether a change of a task that is not among those shown brings it there. A running task only
 * goes on: where the daemon has more, each beat would push out another.
 * @param {string} key
 * @param {Filled} column
 */
const comesIn = (key, { hasMore, tasks, shown }) =>
  key !== 'live' || !hasMore || tasks.size < shown;

/**
 * Put a task among others: in place, or where the column's order has it.
 * @param {Map<string, Task>} tasks
 * @param {Task} task
 * @param {import('./order').Order} order
 * @param {boolean} hasMore
 */
function put(tasks, task, order, hasMore) {
  if (tasks.has(task.id)) {
    tasks.set(task.id, task);
    return;
  }
  const all = placed([...tasks.values()], task, order, hasMore);
  tasks.clear();
  for (const one of all) {
    tasks.set(one.id, one);
  }
}

/** @param {Map<string, Task>} tasks @param {Filled} column */
function cut(tasks, { shown, hasMore, ids }) {
  if (tasks.size <= shown + SHOWN) {
    return { tasks, hasMore };
  }
  const all = ids ?? (hasMore ? null : new Set(tasks.keys()));
  return { tasks: new Map([...tasks].slice(0, shown)), hasMore: true, ids: all };
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
 * Give the columns with their counts kept right: of each task that events are about, whether it is
 * among those counted.
 * @param {Model} model
 * @param {readonly TaskEvent[]} events
 * @param {(user: string) => string} nameOf
 */
function tallied(model, events, nameOf) {
  const columns = { ...model.columns };
  const kept = Object.entries(columns).filter(([, one]) => one.ids ?? one.told);
  if (kept.length === 0) {
    return columns;
  }
  const places = events.map(({ kind, task }) => {
    const isThere =
      kind !== 'gone' && isCounted(task, model) && matches(task, model.filter, nameOf);
    return /** @type {const} */ ([task.id, isThere ? columnOf(task) : null]);
  });
  for (const [key, one] of kept) {
    const moved = new Map(places.map(([id, column]) => [id, column === key]));
    columns[key] = {
      ...one,
      ids: one.ids && joined(one.ids, moved),
      told: one.told && new Map([...one.told, ...moved]),
    };
  }
  return columns;
}

/**
 * Give a set of ids after some have come or gone; the same where none has.
 * @param {ReadonlySet<string>} ids
 * @param {ReadonlyMap<string, boolean>} moved
 */
function joined(ids, moved) {
  const changed = [...moved].filter(([id, isThere]) => ids.has(id) !== isThere);
  if (changed.length === 0) {
    return ids;
  }
  const next = new Set(ids);
  for (const [id, isThere] of changed) {
    isThere ? next.add(id) : next.delete(id);
  }
  return next;
}

/**
 * Give the model as the counting of a column begins.
 * @param {Model} model
 * @param {string} key
 * @returns {Model}
 */
export const counting = (model, key) => changed(model, key, { told: new Map() });

/**
 * Forget what was counted: what has come and gone since was not told.
 * @param {Model} model
 * @returns {Model}
 */
export function uncounted(model) {
  const columns = Object.entries(model.columns).map(([key, one]) => [
    key,
    { ...one, ids: null, isMany: false },
  ]);
  return { ...model, columns: Object.fromEntries(columns) };
}

/**
 * Give the model once a column's tasks were counted.
 * @param {Model} model
 * @param {string} key
 * @param {readonly string[] | null} ids of all that were found; null where these are too many
 * @returns {Model}
 */
export function counted(model, key, ids) {
  if (ids === null) {
    return changed(model, key, { isMany: true, told: null });
  }
  // What was told meanwhile is newer than what was found.
  const told = model.columns[key].told ?? new Map();
  return changed(model, key, { ids: joined(new Set(ids), told), told: null });
}

/** @param {Model} model @param {string} key @param {Partial<Filled>} change @returns {Model} */
const changed = (model, key, change) => ({
  ...model,
  columns: { ...model.columns, [key]: { ...model.columns[key], ...change } },
});
