// The rows of the list, in whatever order and under whatever filter.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { added, begun, isHead, taken } from '../../../taskdashd/web/static/views/list/model.js';

const task = (n, more = {}) => ({ id: `t-${n}`, name: `T${n}`, status: '待领取', rev: n, ...more });
const nameOf = (user) => user;
const event = (one, kind = 'updated') => ({ rev: one.rev, kind, task: one });
const opened = (query, tasks) => added(begun(new URLSearchParams(query), null), tasks, null);
const ids = (model) => model.rows.map((row) => (isHead(row) ? `# ${row.value}` : row.id));

test('in a list by what changed last, a change comes to the top', () => {
  const model = opened('', [task(3), task(2), task(1)]);
  const next = taken(model, [event(task(1, { rev: 9 }))], nameOf);
  assert.deepEqual(ids(next), ['t-1', 't-3', 't-2']);
  assert.deepEqual(
    [...next.places],
    [
      ['t-1', 0],
      ['t-3', 1],
      ['t-2', 2],
    ],
  );
});

test('in any other order a row changes where it stands, and what is new waits', () => {
  const model = opened('sort=name', [task(1), task(2)]);
  const next = taken(model, [event(task(1, { rev: 9 })), event(task(3), 'registered')], nameOf);
  assert.deepEqual(ids(next), ['t-1', 't-2']);
  assert.equal(next.rows[0].rev, 9);
  assert.deepEqual([...next.fresh], ['t-3']);
});

test('what does not fit the filter does not come in', () => {
  const model = opened('group=g&state=free', [task(1, { group_id: 'g' })]);
  const next = taken(model, [event(task(2, { group_id: 'h', rev: 9 }))], nameOf);
  assert.deepEqual(ids(next), ['t-1']);
});

test('grouped rows have a heading for each value', () => {
  const model = opened('by=user', [
    task(1, { user: '' }),
    task(2, { user: 'a' }),
    task(3, { user: 'a' }),
  ]);
  assert.deepEqual(ids(model), ['# ', 't-1', '# a', 't-2', 't-3']);
});
