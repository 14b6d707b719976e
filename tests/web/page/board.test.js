// The counts of the board's columns are exact, whatever comes and goes while they are counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SHOWN,
  allRead,
  counted,
  counting,
  empty,
  read,
  reading,
  taken,
  uncounted,
} from '../../../taskdashd/web/static/views/board/model.js';

const FILTER = { where: { group_id: 'g' }, text: '', words: [] };
const task = (n, status = '待领取', more = {}) => ({
  id: `t-${n}`,
  name: '',
  group_id: 'g',
  status,
  rev: n,
  ...more,
});
const tasks = (count, first = 0) => Array.from({ length: count }, (_, n) => task(first + n));
const event = (one, kind = 'updated') => ({ rev: one.rev, kind, task: one });
const nameOf = (user) => user;
const begun = () => counting(read(empty(FILTER), 'free', tasks(SHOWN), true), 'free');
const idsOf = (count) => tasks(count).map(({ id }) => id);
const free = (model) => model.columns.free.ids?.size ?? null;

test('what is not shown is counted, and stays counted as it comes and goes', () => {
  let model = counted(begun(), 'free', idsOf(500));
  assert.equal(free(model), 500);
  model = taken(model, [event(task(400, '已领取'))], nameOf);
  assert.equal(free(model), 499);
  model = taken(model, [event(task(400)), event(task(900), 'registered')], nameOf);
  assert.equal(free(model), 501);
  model = taken(model, [event(task(401, '待领取', { group_id: 'other' }))], nameOf);
  model = taken(model, [event(task(402), 'gone')], nameOf);
  assert.equal(free(model), 499);
  model = taken(model, [event(task(3, '待领取', { name: 'x' }))], nameOf);
  assert.equal(free(model), 499);
});

test('what is told while they are being counted is newer than what was found', () => {
  const told = taken(begun(), [event(task(400, '已领取')), event(task(900), 'registered')], nameOf);
  assert.equal(free(told), null);
  assert.equal(free(counted(told, 'free', idsOf(500))), 500);
  assert.ok(!counted(told, 'free', idsOf(500)).columns.free.ids.has('t-400'));
});

test('what is told while columns are read again is newer than what was read', () => {
  let model = allRead(read(empty(FILTER), 'free', tasks(SHOWN), true));
  model = taken(reading(model), [event(task(100, '已领取', { id: 't-5' }))], nameOf);
  model = read(model, 'free', tasks(SHOWN), true);
  assert.ok(!model.columns.free.tasks.has('t-5'));
  assert.ok(model.columns.claimed.tasks.has('t-5'));
  assert.equal(allRead(model).told.size, 0);
});

test('what was behind the cards that stay comes below them, and what is newer on top', () => {
  const newestFirst = (first, last) => tasks(last - first, first).reverse();
  let model = allRead(read(empty(FILTER), 'free', newestFirst(10, 20), true));
  model = read(reading(model), 'free', [task(30), ...newestFirst(5, 20)], false);
  const revs = [...model.columns.free.tasks.values()].map(({ rev }) => rev);
  assert.deepEqual(revs, [30, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5]);
});

test('a column that grows beyond what is shown is counted at once', () => {
  let model = read(empty(FILTER), 'free', tasks(50), false);
  const come = tasks(2 * SHOWN, 50).map((one) => event(one, 'registered'));
  model = taken(model, come, nameOf);
  assert.equal(model.columns.free.hasMore, true);
  assert.equal(free(model), 50 + 2 * SHOWN);
});

test('after a gap in what was told all is counted again', () => {
  assert.equal(free(uncounted(counted(begun(), 'free', idsOf(500)))), null);
});
