// What waits for whoever looks: how it is put into sections, what is new of it, what changes it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrived, concerns, numberOf } from '../../../taskdashd/web/static/rules/waiting.js';
import { nothing, partsOf, seenTo } from '../../../taskdashd/web/static/views/mine/model.js';

const entry = (id, more = {}) => ({ id, rev: 1, status: '编辑中', why: [], since: '', ...more });
const came = (id, why, rev) => entry(id, { why: [why], by: 'lea', word: '', rev });
const ME = { user: 'ann', name: 'Ann', role: 'lead', groups: ['cut'], leads: ['cut'], sight: '' };

function waiting({ counts: other, ...given }) {
  const all = { now: [], queue: [], to_answer: [], returned: [], ...given };
  const counts = Object.fromEntries(Object.entries(all).map(([name, of]) => [name, of.length]));
  const ids = new Set(Object.values(all).flatMap((of) => of.map((one) => one.id)));
  return { ...all, counts: { ...counts, all: ids.size, more: false, ...other } };
}

const idsOf = (entries) => entries.map((one) => one.id).join(' ');
const told = ({ parts }) =>
  Object.fromEntries(parts.map(({ key, entries }) => [key, idsOf(entries)]));

test('each task stands once: what was sent back and is to check first, then what is new', () => {
  const all = waiting({
    now: [entry('a'), entry('b')],
    queue: [entry('c'), entry('d')],
    to_answer: [entry('e', { why: ['lead'] }), entry('f', { why: ['named'] })],
    returned: [
      came('f', 'given', 2),
      came('c', 'given', 3),
      came('b', 'sent-back', 4),
      came('x', 'freed', 5),
      came('y', 'passed-on', 6),
    ],
  });
  const model = partsOf(all, nothing);
  assert.deepEqual(
    model.parts.map(({ key }) => key),
    [...['sent-back', 'check', 'given', 'gone', 'editing', 'claimed']],
  );
  assert.deepEqual(told(model), {
    'sent-back': 'b',
    check: 'e f',
    given: 'c',
    gone: 'x y',
    editing: 'a',
    claimed: 'd',
  });
  assert.equal(numberOf(all), '8');
  assert.equal(seenTo(all), 6);
});

test('nothing waits: nothing stands before the title', () => {
  assert.equal(numberOf(null), '');
  assert.equal(numberOf(waiting({})), '');
  const many = waiting({ now: [entry('a')], counts: { all: 1000, more: true } });
  assert.equal(numberOf(many), '1000+');
  assert.deepEqual(partsOf(waiting({}), nothing), { parts: [], isRead: true });
  assert.equal(seenTo(waiting({})), null);
});

test('what was shown stays where it is, and what comes is put behind it', () => {
  const first = partsOf(waiting({ now: [entry('a'), entry('b')] }), nothing);
  const changed = [entry('b'), entry('c', { rev: 7 }), entry('a', { rev: 9, progress: '3/7' })];
  const next = partsOf(waiting({ now: changed }), first);
  assert.deepEqual(told(next), { editing: 'a b c' });
  const [a, b] = next.parts[0].entries;
  assert.equal(a.progress, '3/7');
  assert.equal(b, first.parts[0].entries[1], 'what is the same is not painted anew');
});

test('of many, how many are not shown is said', () => {
  const all = waiting({ queue: [entry('a')], counts: { queue: 300, all: 300 } });
  assert.equal(partsOf(all, nothing).parts[0].more, 299);
});

test('a change concerns whoever has the task, is to check it, or is shown it', () => {
  const of = (task) =>
    concerns(
      { rev: 1, kind: 'updated', task: { user: '', checker: '', group_id: '', ...task } },
      ME,
      waiting({ returned: [came('t', 'freed', 2)] }),
    );
  assert.equal(of({ id: 'a', status: 'running' }), false);
  assert.equal(of({ id: 'a', status: '待审核', user: 'bob', group_id: 'paint' }), false);
  assert.equal(of({ id: 'a', status: '待审核', user: 'bob', group_id: 'cut' }), true);
  assert.equal(of({ id: 'a', status: '待审核', user: 'bob', checker: 'ann' }), true);
  assert.equal(of({ id: 'a', status: '已领取', user: 'ann' }), true);
  assert.equal(of({ id: 't', status: '已领取', user: 'bob' }), true);
});

test('what others did is told once, and nothing of before the page was opened', () => {
  const one = waiting({ returned: [came('a', 'given', 2)] });
  const two = waiting({ returned: [came('a', 'given', 2), came('b', 'freed', 5)] });
  assert.deepEqual(arrived(null, two), []);
  assert.deepEqual(
    arrived(one, two).map(({ id }) => id),
    ['b'],
  );
  assert.deepEqual(arrived(two, two), []);
  assert.deepEqual(arrived(two, waiting({})), []);
});
