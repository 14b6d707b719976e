// Who has how much.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rowsOf } from '../../../taskdashd/web/static/views/people/model.js';

const person = (user, more = {}) => [
  user,
  {
    user,
    name: user,
    role: 'worker',
    groups: [],
    leads: [],
    active: true,
    calendar: '',
    rev: 0,
    ...more,
  },
];
const collate = (one, other) => (one < other ? -1 : 1);
const known = (load, people, free = 1) => ({
  people: new Map(people),
  figures: { load, states: { 待领取: free } },
});

test('who has most comes first; who has far more than others, or nothing, is marked', () => {
  const load = { a: { 已领取: 1 }, b: { 编辑中: 5, 已领取: 2 }, c: { 待审核: 9 } };
  const people = [person('a'), person('b'), person('c'), person('d', { active: false })];
  const { rows, most, free } = rowsOf(known(load, people), collate);
  assert.deepEqual(
    rows.map(({ person: one, held, isFull, isFree }) => [one.user, held, isFull, isFree]),
    [
      ['b', 7, true, false],
      ['a', 1, false, false],
      ['c', 0, false, true],
      ['d', 0, false, false],
    ],
  );
  assert.deepEqual([most, free], [9, 1]);
});

test('nobody waits for work where there is none', () => {
  const { rows } = rowsOf(known({}, [person('a')], 0), collate);
  assert.equal(rows[0].isFree, false);
});
