// The rows of the list.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { added, begun, shiftOf, taken } from '../../../taskdashd/web/static/views/list/model.js';

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
