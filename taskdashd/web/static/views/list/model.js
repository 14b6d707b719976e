// The rows of the list: pure.

import { filterOf, matches } from '../../rules/filters.js';
import { COLUMNS, columnOf } from '../../rules/states.js';
import { comparing, shownPlace } from './order.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').TaskEvent} TaskEvent
 * @typedef {import('../../wire/types').Me} Me
 * @typedef {import('../../rules/filters').Filter} Filter
 * @typedef {import('./order').Compare} Compare
 * @typedef {{ head: string, value: string }} Head a heading, where rows are grouped
 * @typedef {Task | Head} Row
 * @typedef {{
 *   filter: Filter,
 *   state: string,
 *   by: string,
 *   order: string,
 *   rows: readonly Row[],
 *   places: ReadonlyMap<string, number>,
 *   fresh: ReadonlySet<string>,
 *   next: string | null,
 *   isRead: boolean,
 *   isWhole: boolean,
 * }} Model `places` are the rows' numbers by task id; `fresh` are tasks that have come and are not
 *   among the rows; `next` asks for the next page, null where there is none; a list is whole where
 *   its first page had all
 */

/** The task's field for each way of grouping. @type {Record<string, string>} */
export const GROUPS = { status: 'status', user: 'user', group: 'group_id' };

/** The order for each column that sorts. @type {Record<string, string>} */
export const SORTS = {
  name: 'name',
  status: 'status',
  user: 'user',
  group: 'group_id',
  changed: '-rev',
};

const NEWEST_FIRST = '-rev';

/**
 * What `state` in the URL chooses.
 * @type {readonly { key: string, where: Record<string, string[]> }[]}
 */
export const STATES = [
  ...COLUMNS,
  {
    key: 'work',
    where: {
      status: COLUMNS.filter(({ key }) => ['claimed', 'editing'].includes(key)).flatMap(
        ({ where }) => where.status,
      ),
    },
  },
];

/**
 * Begin a list.
 * @param {URLSearchParams} filters
 * @param {Me | null} me
 * @returns {Model}
 */
export function begun(filters, me) {
  const by = GROUPS[filters.get('by') ?? ''] ?? '';
  return {
    filter: filterOf(filters, me),
    state: filters.get('state') ?? '',
    by,
    order: by || filters.get('sort') || NEWEST_FIRST,
    rows: [],
    places: new Map(),
    fresh: new Set(),
    next: null,
    isRead: false,
    isWhole: false,
  };
}

/** Give the `where` of the state that is shown. @param {Model} model */
export const whereOf = ({ state }) => STATES.find(({ key }) => key === state)?.where ?? {};

/** @param {Row} row @returns {row is Head} */
export const isHead = (row) => 'head' in row;

/**
 * Give the model with the first page of tasks; where that is all, as the reader orders them.
 * @param {Model} model
 * @param {readonly Task[]} tasks
 * @param {string | null} next
 * @param {Compare} collate
 * @param {(user: string) => string} nameOf
 */
export function filled(model, tasks, next, collate, nameOf) {
  const isWhole = next === null;
  const { order } = model;
  const all = tasks.map((task) => ({ task, ...shownPlace(task, order, nameOf) }));
  const sorted = isWhole ? all.sort(comparing(order, collate)) : all;
  const inOrder = sorted.map(({ task }) => task);
  return { ...added(model, inOrder, next), isWhole };
}

/**
 * Give the model with another page of tasks.
 * @param {Model} model
 * @param {readonly Task[]} tasks
 * @param {string | null} next
 * @returns {Model}
 */
export function added(model, tasks, next) {
  const rows = [...model.rows];
  const places = new Map(model.places);
  for (const task of tasks) {
    if (places.has(task.id)) {
      continue;
    }
    const last = rows.at(-1);
    const value = String(task[model.by] ?? '');
    const lastValue = last && (isHead(last) ? last.value : String(last[model.by] ?? ''));
    if (model.by && lastValue !== value) {
      rows.push({ head: model.by, value });
    }
    places.set(task.id, rows.length);
    rows.push(task);
  }
  return { ...model, rows, places, next, isRead: true };
}

/**
 * Whether a task belongs in the list.
 * @param {Task} task
 * @param {Model} model
 * @param {(user: string) => string} nameOf
 */
function fits(task, model, nameOf) {
  const { state } = model;
  const where = STATES.find(({ key }) => key === state)?.where;
  const isOfState = !where || columnOf(task) === state || where.status?.includes(task.status);
  return Boolean(isOfState) && matches(task, model.filter, nameOf);
}

/**
 * Take in events. In a list that shows the last changes first, a changed task goes to the top,
 * unless it only goes on running: rows that moved with each beat could not be aimed at. In any
 * other it is changed where it stands, and what is new waits until it is asked for.
 * @param {Model} model
 * @param {readonly TaskEvent[]} events
 * @param {(user: string) => string} nameOf
 * @returns {Model}
 */
export function taken(model, events, nameOf) {
  const isNewest = !model.by && model.order === NEWEST_FIRST;
  const rows = [...model.rows];
  const fresh = new Set(model.fresh);
  /** @type {Map<string, Task>} */
  const top = new Map();
  const gone = new Set();
  for (const { kind, task } of events) {
    const place = model.places.get(task.id);
    const wasTop = top.delete(task.id);
    const goesOn = place !== undefined && !wasTop && isSame(rows[place], task);
    if (kind === 'gone') {
      gone.add(task.id);
      fresh.delete(task.id);
    } else if (isNewest && !goesOn && fits(task, model, nameOf)) {
      gone.delete(task.id);
      top.set(task.id, task);
    } else if (place !== undefined) {
      rows[place] = task;
    } else if (kind === 'registered' && fits(task, model, nameOf)) {
      fresh.add(task.id);
    }
  }
  if (top.size === 0 && gone.size === 0) {
    return { ...model, rows, fresh };
  }
  const changed = [...top.values()].sort((one, other) => other.rev - one.rev);
  const stay = rows.filter((row) => isHead(row) || !(top.has(row.id) || gone.has(row.id)));
  return { ...model, fresh, ...placed([...changed, ...stay]) };
}

/**
 * Give by how many rows most of those that were in sight have moved.
 * @param {readonly (readonly [id: string, n: number])[]} seen the tasks that were, and their rows
 * @param {ReadonlyMap<string, number>} places
 */
export function shiftOf(seen, places) {
  const shifts = seen
    .filter(([id]) => places.has(id))
    .map(([id, n]) => /** @type {number} */ (places.get(id)) - n)
    .sort((one, other) => one - other);
  return shifts[Math.floor(shifts.length / 2)] ?? 0;
}

/** Whether a running task only goes on. @param {Row} row @param {Task} task */
const isSame = (row, task) =>
  !isHead(row) && row.status === task.status && columnOf(task) === 'live';

/** @param {readonly Row[]} rows */
function placed(rows) {
  /** @type {Map<string, number>} */
  const places = new Map();
  rows.forEach((row, n) => {
    if (!isHead(row)) {
      places.set(row.id, n);
    }
  });
  return { rows, places };
}
