// The counts of the board's columns are exact, whatever comes and goes while they are counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SHOWN,
  allRead,
  counted,
  counting,
  empty,
  grown,
  read,
  reading,
  taken,
  uncounted,
} from '../../../taskdashd/web/static/views/board/model.js';
import { ordersOf } from '../../../taskdashd/web/static/views/board/order.js';

const FILTER = { where: { group_id: 'g' }, text: '', sought: [] };
const task = (n, status = '待领取', more = {}) => ({
  id: `t-${n}`,
  name: '',
  group_id: 'g',
  status,
  rev: n,
  ...more,
});
const fresh = (query = '') => empty(FILTER, ordersOf(new URLSearchParams(query)));
const tasks = (count, first = 0) => Array.from({ length: count }, (_, n) => task(first + n));
const event = (one, kind = 'updated') => ({ rev: one.rev, kind, task: one });
const nameOf = (user) => user;
const begun = () => counting(read(fresh(), 'free', tasks(SHOWN), true), 'free');
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
  let model = allRead(read(fresh(), 'free', tasks(SHOWN), true));
  model = taken(reading(model), [event(task(100, '已领取', { id: 't-5' }))], nameOf);
  model = read(model, 'free', tasks(SHOWN), true);
  assert.ok(!model.columns.free.tasks.has('t-5'));
  assert.ok(model.columns.claimed.tasks.has('t-5'));
  assert.equal(allRead(model).told.size, 0);
});

test('what was behind the cards that stay comes below them, and what is newer on top', () => {
  const newestFirst = (first, last) => tasks(last - first, first).reverse();
  let model = allRead(read(fresh(), 'free', newestFirst(10, 20), true));
  model = read(reading(model), 'free', [task(30), ...newestFirst(5, 20)], false);
  const revs = [...model.columns.free.tasks.values()].map(({ rev }) => rev);
  assert.deepEqual(revs, [30, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5]);
});

test('a column that grows beyond what is shown is counted at once', () => {
  let model = read(fresh(), 'free', tasks(50), false);
  const come = tasks(2 * SHOWN, 50).map((one) => event(one, 'registered'));
  model = taken(model, come, nameOf);
  assert.equal(model.columns.free.hasMore, true);
  assert.equal(free(model), 50 + 2 * SHOWN);
});

test('after a gap in what was told all is counted again', () => {
  assert.equal(free(uncounted(counted(begun(), 'free', idsOf(500)))), null);
});

const idsShown = (model) => [...model.columns.free.tasks.keys()];
const urgent = (n, priority) => task(n, '待领取', { priority });

test('the order of each column is what the URL says', () => {
  const { orders } = fresh('free=oldest&review=priority&dead=nonsense&live=constructor');
  const { free, review, dead, live, done } = orders;
  assert.deepEqual(
    [free, review, dead, live, done],
    ['oldest', 'priority', 'newest', 'newest', 'newest'],
  );
});

test('the oldest first: what comes is the last, or behind what the daemon has more of', () => {
  let model = read(fresh('free=oldest'), 'free', tasks(3), false);
  model = taken(model, [event(task(9), 'registered')], nameOf);
  assert.deepEqual(idsShown(model), ['t-0', 't-1', 't-2', 't-9']);
  model = taken(model, [event(task(10, '待领取', { id: 't-1' }))], nameOf);
  assert.deepEqual(idsShown(model), ['t-0', 't-1', 't-2', 't-9']);
  let long = read(fresh('free=oldest'), 'free', tasks(3), true);
  long = taken(long, [event(task(9), 'registered'), event(task(8, '已领取'))], nameOf);
  assert.deepEqual(idsShown(long), ['t-0', 't-1', 't-2']);
  // Nor does it come back by a reading of what was told meanwhile.
  let told = taken(reading(fresh('free=oldest')), [event(task(9), 'registered')], nameOf);
  told = read(told, 'free', tasks(3), true);
  assert.deepEqual(idsShown(told), ['t-0', 't-1', 't-2']);
});

test('by priority: what comes stands behind all that are as urgent', () => {
  const first = [urgent(1, 9), urgent(2, 7), task(3), urgent(4, '9'), urgent(5, 2)];
  let model = read(fresh('free=priority'), 'free', first, true);
  const come = [urgent(6, 7), task(7), urgent(8, 0), urgent(9, 9)];
  model = taken(
    model,
    come.map((one) => event(one, 'registered')),
    nameOf,
  );
  const expected = ['t-1', 't-9', 't-2', 't-6', 't-3', 't-4', 't-7', 't-5'];
  assert.deepEqual(idsShown(model), expected, 'of the least urgent the daemon has others');
});

test('a column that shows more is read on, and cut there', () => {
  let model = grown(read(fresh('free=oldest'), 'free', tasks(SHOWN), true), 'free');
  assert.equal(model.columns.free.shown, 2 * SHOWN);
  model = read(model, 'free', tasks(2 * SHOWN), false);
  const come = tasks(SHOWN + 1, 1000).map((one) => event(one, 'registered'));
  model = taken(model, come, nameOf);
  assert.equal(model.columns.free.tasks.size, 2 * SHOWN);
  assert.equal(idsShown(model).at(-1), `t-${2 * SHOWN - 1}`);
  assert.equal(free(model), 3 * SHOWN + 1);
});

test('what comes by a reading stands behind what it follows', () => {
  let model = read(fresh('free=priority'), 'free', [urgent(1, 9), task(3)], true);
  const found = [urgent(9, 9), urgent(1, 9), urgent(2, 7), task(3), task(4)];
  model = read(model, 'free', found, false);
  assert.deepEqual(idsShown(model), ['t-9', 't-1', 't-2', 't-3', 't-4']);
});

test('a reading that goes on remembers what was told, though another one is over', () => {
  let model = reading(reading(fresh()));
  model = taken(model, [event(task(50, '已领取', { id: 't-5' }))], nameOf);
  model = read(allRead(model), 'free', tasks(10), false);
  assert.ok(!model.columns.free.tasks.has('t-5'));
});

const dead = (n, hide) => ({
  ...task(n, 'failed'),
  ...(hide !== undefined && { acknowledged: { by: '1', at: '', word: '', hide } }),
});
const cards = (model) => [...model.columns.dead.tasks.keys()];

test('what was dismissed leaves its column, and comes back where it is wanted', () => {
  let model = read(fresh(), 'dead', [dead(1), dead(2)], false);
  model = taken(model, [event(dead(2, true)), event(dead(1, false))], nameOf);
  assert.deepEqual(cards(model), ['t-1']);
  model = taken(model, [event(dead(2, false))], nameOf);
  assert.deepEqual(cards(model), ['t-2', 't-1']);
  const all = taken({ ...model, showsHidden: true }, [event(dead(1, true))], nameOf);
  assert.deepEqual(cards(all), ['t-2', 't-1']);
});

test('too many to count are counted again only once all is read afresh', () => {
  let model = counted(counting(read(fresh(), 'dead', [dead(1)], true), 'dead'), 'dead', null);
  model = taken(model, [event(dead(2))], nameOf);
  const { ids, told, isMany } = model.columns.dead;
  assert.deepEqual([ids, told, isMany], [null, null, true]);
  assert.equal(uncounted(model).columns.dead.isMany, false);
});

test('a death counts until somebody has answered', () => {
  let model = counting(read(fresh(), 'dead', [dead(1), dead(2)], true), 'dead');
  model = counted(model, 'dead', ['t-1', 't-2', 't-3']);
  model = taken(model, [event(dead(1, false)), event(dead(3, true)), event(dead(4))], nameOf);
  assert.deepEqual([...model.columns.dead.ids], ['t-2', 't-4']);
});
