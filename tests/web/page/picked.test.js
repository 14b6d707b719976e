// What can be done with several tasks: what can be done with each.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  actsForAll,
  labelsOfAny,
  mayLabelAll,
} from '../../../taskdashd/web/static/menus/picked/model.js';
import { lead, task, worker } from './office.js';

test('only what can be done with each is done with all', () => {
  const [free, mine, theirs] = [task('待领取'), task('已领取', '1'), task('已领取', '2')];
  assert.deepEqual(actsForAll([free, free], worker), ['claim']);
  assert.deepEqual(actsForAll([free, mine], worker), []);
  assert.deepEqual(actsForAll([mine, theirs], worker), []);
  assert.deepEqual(actsForAll([mine, theirs], lead), ['release', 'assign']);
  const [dead, seen] = [task('failed'), task('failed', '', { acknowledged: { hide: false } })];
  assert.deepEqual(actsForAll([dead, dead], worker), ['acknowledge', 'dismiss']);
  assert.deepEqual(actsForAll([dead, seen], worker), ['dismiss']);
});

test('what needs a look at each is not done with many', () => {
  assert.deepEqual(actsForAll([task('待审核', '2')], lead), []);
});

test('labels are for those who may label each, and equal ones are one', () => {
  assert.ok(mayLabelAll([task('待领取'), task('已领取', '1')], worker));
  assert.ok(!mayLabelAll([task('待领取'), task('已领取', '2')], worker));
  const labelled = [['Urgent', 'b'], ['ｕｒｇｅｎｔ'], 'nonsense'].map((labels) =>
    task('待领取', '', { labels }),
  );
  assert.deepEqual(labelsOfAny(labelled), ['ｕｒｇｅｎｔ', 'b']);
});
