// The counts of the board's columns are exact, whatever comes and goes while they are counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SHOWN,
  counted,
  counting,
  empty,
  read,
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
