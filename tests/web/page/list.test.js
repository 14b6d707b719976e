// The rows of the list.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  added,
  begun,
  filled,
  shiftOf,
  taken,
} from '../../../taskdashd/web/static/views/list/model.js';
import {
  byCode,
  comparing,
  shownPlace,
  storedPlace,
} from '../../../taskdashd/web/static/views/list/order.js';

const task = (id, rev, status, more = {}) => ({ id, rev, status, name: id, ...more });
const nameOf = (user) => user;
const updated = (...tasks) => tasks.map((one) => ({ rev: one.rev, kind: 'updated', task: one }));

const list = () =>
  added(
    begun(new URLSearchParams(), null),
    [task('c', 3, 'running'), task('b', 2, 'running'), task('a', 1, '待领取')],
    null,
  );
const ids = (model) => model.rows.map((row) => row.id);

test('a task that goes on running changes where it stands', () => {
  const model = taken(list(), updated(task('b', 9, 'running', { progress: '3/4' })), nameOf);
  assert.deepEqual(ids(model), ['c', 'b', 'a']);
  assert.equal(model.rows[1].progress, '3/4');
});

test('what has changed otherwise goes to the top of the newest', () => {
  const model = taken(list(), updated(task('a', 8, '已领取'), task('b', 9, 'failed')), nameOf);
  assert.deepEqual(ids(model), ['b', 'a', 'c']);
});

test('a task that came to the top in the same message is shown as it was last', () => {
  const news = [task('a', 8, 'running'), task('a', 9, 'running', { progress: '1/2' })];
  const model = taken(list(), updated(...news), nameOf);
  assert.deepEqual(ids(model), ['a', 'c', 'b']);
  assert.equal(model.rows[0].progress, '1/2');
});

test('the list is scrolled by as many rows as those in sight have moved', () => {
  const seen = [
    ['a', 10],
    ['b', 11],
    ['c', 12],
    ['d', 13],
  ];
  const places = (given) => new Map(Object.entries(given));
  assert.equal(shiftOf(seen, places({ a: 10, b: 11, c: 12, d: 13 })), 0);
  assert.equal(shiftOf(seen, places({ a: 13, b: 14, c: 15, d: 16 })), 3, 'three came above');
  assert.equal(shiftOf(seen, places({ a: 0, b: 11, c: 12, d: 13 })), 0, 'one went to the top');
  assert.equal(shiftOf(seen, places({ c: 11, d: 12 })), -1, 'one in sight has gone');
  assert.equal(shiftOf(seen, places({})), 0);
});

const NAMES = { 1: 'Zoë', 2: 'Ann', 3: 'Ägidius' };
const german = new Intl.Collator('de').compare;
const nameIn = (user) => NAMES[user] ?? user;
const shown = (query, tasks, next = null) =>
  ids(filled(begun(new URLSearchParams(query), null), tasks, next, german, nameIn));

test('a list that one page holds is in the order of the reader, a longer one of the daemon', () => {
  const names = ['Zebra', 'apple', 'Ärger', 'Apfel'];
  const tasks = names.map((name, n) => task(`t${n}`, n, 'running', { name, user: String(n) }));
  assert.deepEqual(shown('sort=name', tasks), ['t3', 't1', 't2', 't0']);
  assert.deepEqual(shown('sort=-name', tasks), ['t0', 't2', 't1', 't3']);
  assert.deepEqual(shown('sort=name', tasks, 'cursor'), ['t0', 't1', 't2', 't3']);
  assert.deepEqual(shown('sort=user', tasks), ['t0', 't3', 't2', 't1']);
  assert.deepEqual(shown('', tasks), ['t3', 't2', 't1', 't0']);
  const first = shown('by=user', tasks);
  assert.deepEqual(first, [undefined, 't0', undefined, 't3', undefined, 't2', undefined, 't1']);
  // A task without a name is where the id stands that is shown for it.
  const nameless = [task('b', 1, 'running', { name: 'c' }), task('a', 2, 'running', { name: '' })];
  assert.deepEqual(shown('sort=name', nameless), ['a', 'b']);
});

test('what is saved of a longer list is in the order of the daemon: by code points', () => {
  const texts = ['', 'a', 'aa', 'é', '剪', '\ue000', 'ＶＩＰ', '😀', '😀a', '𠀀'];
  const sorted = [...texts].sort(byCode);
  const bytes = [...texts].sort((one, other) =>
    Buffer.compare(Buffer.from(one), Buffer.from(other)),
  );
  assert.deepEqual(sorted, bytes);
});

test('numbers are ordered as numbers, and equals by their ids', () => {
  const tasks = [
    task('a', 10, 'running', { priority: 9 }),
    task('c', 9, 'running'),
    task('b', 100, 'running', { priority: '9' }),
    task('d', 1, 'running', { priority: 0 }),
  ];
  const inOrder = (order) =>
    tasks
      .map((one) => storedPlace(one, order))
      .sort(comparing(order, byCode))
      .map(({ id }) => id);
  assert.deepEqual(inOrder('-rev'), ['b', 'a', 'c', 'd']);
  assert.deepEqual(inOrder('-priority'), ['a', 'c', 'b', 'd']);
  assert.equal(shownPlace(task('a', 1, 'running', { user: '3' }), 'user', nameIn).key, 'Ägidius');
});
