// The groups: who is in them, and who leads.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { groupsOf } from '../../../taskdashd/web/static/views/groups/model.js';

const person = (user, groups, more = {}) => [
  user,
  {
    user,
    name: user,
    role: 'worker',
    groups,
    leads: [],
    active: true,
    calendar: '',
    rev: 0,
    ...more,
  },
];
const PEOPLE = new Map([
  person('1', ['cut']),
  person('2', ['cut', 'paint'], { role: 'lead', leads: ['cut'] }),
  person('3', ['cut'], { active: false }),
  person('4', ['paint']),
]);
const collate = (one, other) => (one < other ? -1 : 1);
const short = (groups) =>
  groups.map(({ name, leads, members, away }) => [
    name,
    leads.map((one) => one.user),
    members.map((one) => one.user),
    away,
  ]);

test('members may sign in, others are counted; who leads is said', () => {
  assert.deepEqual(short(groupsOf(PEOPLE, null, collate)), [
    ['cut', ['2'], ['1', '2'], 1],
    ['paint', [], ['2', '4'], 0],
  ]);
});

test('a group that one is not in would be shown with a part of its people, so it is not', () => {
  assert.deepEqual(
    groupsOf(PEOPLE, ['paint', 'empty'], collate).map(({ name }) => name),
    ['empty', 'paint'],
  );
});
