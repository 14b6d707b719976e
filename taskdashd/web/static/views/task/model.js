// One task and what has happened to it: pure.

import { labelsOf } from '../../rules/filters.js';

/**
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').TaskEvent} TaskEvent
 * @typedef {{
 *   rev: number,
 *   at: string,
 *   kind: string,
 *   who: string,
 *   why: string,
 *   changes?: Record<string, [old: unknown, fresh: unknown]>,
 * }} Entry
 * @typedef {{
 *   id: string,
 *   task: Task | null,
 *   isMissing: boolean,
 *   entries: readonly Entry[],
 *   older: string | null,
 *   parts: readonly Task[],
 *   isStale: boolean,
 * }} Model `older` asks for entries before these; `isStale` says that there are newer ones
 */

/** What is shown first, in this order, where it is there. */
const FIRST = [
  ...['status', 'user', 'checker', 'group_id', 'project_id', 'instance_id', 'task_type'],
  ...['parent_id', 'url', 'description', 'reason', 'claim_until', 'last_seen'],
];
/** What the heading says, and what only the daemon and services need: it stands in the history. */
const HIDDEN = new Set([
  ...['id', 'name', 'progress', 'errid', 'errmsg', 'seq', 'rev', 'epoch', 'fenced', 'kind'],
  ...['tree', 'job', 'gate', 'acknowledged', 'status_before_shutdown', 'heartbeat_timeout'],
]);

export const PEOPLE = new Set(['user', 'checker', 'submitted_by', 'freed_from']);
export const TIMES = new Set([
  ...['created_at', 'updated_at', 'last_seen', 'shutdown_at', 'claimed_at', 'claim_until'],
  ...['free_since', 'checked_at'],
]);

/** @param {string} id @returns {Model} */
export const opened = (id) => ({
  id,
  task: null,
  isMissing: false,
  entries: [],
  older: null,
  parts: [],
  isStale: false,
});

/** Give the names of the fields that are shown, in order. @param {Task} task */
export function shownFields(task) {
  const isThere = (/** @type {string} */ name) => task[name] !== '' && task[name] !== undefined;
  // The labels stand above.
  const isAbove = (/** @type {string} */ name) => name === 'labels' && labelsOf(task).length > 0;
  const first = FIRST.filter(isThere);
  const others = Object.keys(task).filter(
    (name) => !FIRST.includes(name) && !HIDDEN.has(name) && isThere(name) && !isAbove(name),
  );
  return [...first, ...others];
}

/** Give the changes of an entry that people care for. @param {Entry} entry */
export const shownChanges = (entry) =>
  Object.entries(entry.changes ?? {}).filter(
    ([name]) => !TIMES.has(name) && name !== 'reason' && !HIDDEN.has(name),
  );

/**
 * Give the answer to a death that somebody gave by a change. The audit has it as JSON, cut where it
 * is long: of such a one it is not known whether the task was hidden.
 * @param {Entry} entry
 * @returns {import('../../wire/types').Answer | undefined}
 */
export function answerOf({ at, changes }) {
  const text = changes?.acknowledged?.[1];
  if (typeof text !== 'string') {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    const by = /"by":"([^"]*)/.exec(text)?.[1] ?? '';
    const word = /"word":"(.*)/.exec(text)?.[1] ?? '';
    return { by, at, word: `${word} …`, hide: false };
  }
}

/**
 * Take in events.
 * @param {Model} model
 * @param {readonly TaskEvent[]} events
 * @returns {Model}
 */
export function taken(model, events) {
  let next = model;
  for (const { kind, rev, task } of events) {
    if (task.id === model.id && (!next.task || rev >= next.task.rev)) {
      const isGone = kind === 'gone';
      next = { ...next, task: isGone ? null : task, isMissing: isGone, isStale: true };
    }
  }
  return next;
}

/**
 * Give the labels that a change names. The audit has them as JSON, cut where there are many: then
 * the last may be a part of one.
 * @param {string} text
 * @returns {readonly string[]}
 */
export function labelsIn(text) {
  try {
    return [JSON.parse(text)].flat();
  } catch {
    return [...text.matchAll(/"((?:[^"\\]|\\.)*)/g)]
      .filter((_, n) => n % 2 === 0)
      .map(([, one]) => one.replaceAll(/\\(.)/g, '$1'));
  }
}

/**
 * Put entries before or behind those that are there; the newest come first.
 * @param {readonly Entry[]} entries
 * @param {readonly Entry[]} more
 */
export function joined(entries, more) {
  const known = new Set(entries.map((one) => `${one.rev} ${one.kind}`));
  const fresh = more.filter((one) => !known.has(`${one.rev} ${one.kind}`));
  return [...entries, ...fresh].sort((one, other) => other.rev - one.rev);
}
