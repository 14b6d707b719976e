// The groups: who is in them, and who leads.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  NOTHING,
  askedToLeave,
  groupsOf,
  openOf,
  peopleIn,
  renewedQuery,
  withReply,
} from '../../../taskdashd/web/static/views/groups/model.js';

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

test('a group that only services and open tasks name is one, and nobody is in it', () => {
  const { counts, isAll } = openOf(
    [{ group_id: 'mix' }, { group_id: '' }, { group_id: 'mix' }],
    true,
  );
  assert.deepEqual([counts.get('mix'), isAll], [2, true]);
  assert.deepEqual(short(groupsOf(PEOPLE, null, collate, [...counts.keys(), 'cut', 'old'])), [
    ['cut', ['2'], ['1', '2'], 1],
    ['mix', [], [], 0],
    ['old', [], [], 0],
    ['paint', [], ['2', '4'], 0],
  ]);
});

test('who is taken out of a group stays in the others, and leads no more than before', () => {
  const [, lead] = person('5', ['cut', 'mix'], { role: 'lead', leads: ['cut'], rev: 7 });
  assert.deepEqual(askedToLeave(lead, 'cut'), {
    user: '5',
    groups: ['mix'],
    // Left out, the daemon would have them lead all their groups: `mix`, which they did not.
    leads: [],
    base: 7,
  });
  const [, worker] = person('6', ['cut'], { rev: 8 });
  assert.deepEqual(askedToLeave(worker, 'cut'), { user: '6', groups: [], base: 8 });
  assert.deepEqual(
    peopleIn({ people: PEOPLE }, 'cut').map(({ user }) => user),
    ['1', '2', '3'],
    'also who may not sign in',
  );
});

test('what the replies tell is added up; what is left is as the last one says', () => {
  const same = { into: 'b', tokens: ['t'] };
  const first = { ...same, people: 3, services: 1, tasks: 500, left: [{ id: 'a' }] };
  const second = { ...same, people: 0, services: 0, tasks: 20, left: [] };
  assert.deepEqual(withReply(withReply(NOTHING, first), second), {
    into: 'b',
    people: 3,
    services: 1,
    tasks: 520,
    left: [],
    tokens: ['t'],
  });
});

test('a saved view that filters by the old name does so by the new one', () => {
  const renewed = (query) => renewedQuery(query, 'cut', '剪 & 辑');
  const { searchParams } = new URL(`http://x/${renewed('board?q=a&group=cut&free=oldest')}`);
  assert.deepEqual(Object.fromEntries(searchParams), { q: 'a', group: '剪 & 辑', free: 'oldest' });
  assert.equal(renewed('list?group=cutter&q=cut'), 'list?group=cutter&q=cut');
});
