// The filters of the work.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { filterOf, isAll, labelsOf, matches } from '../../../taskdashd/web/static/rules/filters.js';

const ME = { user: '1001', name: 'Ann Li', role: 'worker', groups: [], leads: [], sight: '' };
const nameOf = (user) => ({ 1001: 'Ann Li' })[user] ?? user;
const filter = (query) => filterOf(new URLSearchParams(query), ME);

test('a URL says which tasks are shown', () => {
  assert.deepEqual(filter('user=me&group=cut').where, { user: '1001', group_id: 'cut' });
  assert.deepEqual(filter('user=nobody').where, { user: '' });
  assert.equal(filter('q=%20ann%20').text, 'ann');
  assert.ok(isAll(filter('state=free&by=user')));
  assert.ok(!isAll(filter('q=x')));
});

test('only a person may be meant by me and nobody', () => {
  const where = filter('group=me&project=nobody&type=me&part=me&checker=me&label=me').where;
  assert.deepEqual(where, {
    group_id: 'me',
    project_id: 'nobody',
    task_type: 'me',
    parent_id: 'me',
    checker: '1001',
    labels: 'me',
  });
});

test('a task is searched by its texts and the names of its people', () => {
  const task = { id: 't-1', name: 'Poster', user: '1001', group_id: 'cut', status: '待审核' };
  for (const [query, isFound] of [
    ['q=poster', true],
    ['q=li+POST', true],
    ['q=paint', false],
    ['q=to+check+poster', true],
    ['q=%E5%BE%85%E5%AE%A1%E6%A0%B8', true],
    ['q=to+claim', false],
    ['user=me', true],
    ['user=nobody', false],
    ['group=cut&q=ann', true],
    ['type=x', false],
  ]) {
    assert.equal(matches(task, filter(query), nameOf), isFound, query);
  }
});

test('a task is found by one of its labels, however it is written', () => {
  const task = { id: 't-1', name: '', labels: ['Urgent', 'ＶＩＰ', 'to  do'] };
  const has = (label) => matches(task, filter(`label=${encodeURIComponent(label)}`), nameOf);
  for (const label of ['urgent', 'vip', ' TO DO ']) {
    assert.ok(has(label), label);
  }
  assert.ok(!has('urge'));
  for (const odd of [
    'urgent',
    null,
    5,
    ['urgent', 5],
    [''],
    Array(17).fill('a'),
    ['x'.repeat(33)],
  ]) {
    assert.deepEqual(labelsOf({ labels: odd }), []);
  }
  // Characters are counted as the daemon counts them.
  assert.equal(labelsOf({ labels: ['\u{1f600}'.repeat(32)] }).length, 1);
});

test('a label may be called as a person is meant', () => {
  assert.deepEqual(filter('label=me').where, { labels: 'me' });
  assert.deepEqual(filter('label=nobody').where, { labels: 'nobody' });
});

test('a task is found by whether somebody has answered that it died', () => {
  const task = (acknowledged) => ({ id: 't', status: 'failed', acknowledged });
  const found = (answer) =>
    [undefined, { hide: false }, { hide: true }].map((one) =>
      matches(task(one), filter(`answer=${answer}`), nameOf),
    );
  assert.deepEqual(found('no'), [true, false, false]);
  assert.deepEqual(found('seen'), [false, true, false]);
  assert.deepEqual(found('hidden'), [false, false, true]);
  assert.ok(isAll(filter('answer=other')), 'which the daemon would refuse');
});
