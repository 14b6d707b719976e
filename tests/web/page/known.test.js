// What the page knows, message by message.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOBODY, nameOf, took } from '../../../taskdashd/web/static/wire/known.js';

const ME = { user: '1', name: 'Ann', role: 'worker', groups: [], leads: [], sight: 's' };
const ANN = { user: '1', name: 'Ann', role: 'worker', groups: [], leads: [], active: true };

test('a greeting says who looks, how late it is, and whom there is', () => {
  const [known, news] = took(
    NOBODY,
    { me: ME, now: '2027-01-01T00:00:05Z', rev: 7, people: [ANN] },
    Date.parse('2027-01-01T00:00:00Z'),
  );
  assert.equal(known.skew_ms, 5000);
  assert.equal(known.rev, 7);
  assert.equal(nameOf(known, '1'), 'Ann');
  assert.equal(nameOf(known, '2'), '2');
  assert.deepEqual(news, { people: true, services: true });
});

test('what is unseen is news of a later message, not of a greeting: then it is read anyway', () => {
  const [known, greeted] = took(NOBODY, { me: ME, rev: 1, unseen: 2 }, 0);
  assert.equal(greeted.unseen, undefined);
  assert.deepEqual(took(known, { unseen: 1 }, 0)[1], { unseen: true });
});

test('a later message changes only what it names, and a null name takes away', () => {
  const [first] = took(NOBODY, { me: ME, rev: 1, people: [ANN, { ...ANN, user: '2' }] }, 0);
  const [known] = took(first, { people: [{ user: '2', name: null }] }, 0);
  assert.deepEqual([...known.people.keys()], ['1']);
  assert.deepEqual([...first.people.keys()], ['1', '2']);
});

test('whom to ask is known for as long as a greeting says it', () => {
  const [first] = took(NOBODY, { me: ME, rev: 1, admins: ['Root'] }, 0);
  assert.deepEqual(first.admins, ['Root']);
  const [still] = took(first, { people: [] }, 0);
  assert.deepEqual(still.admins, ['Root']);
  const [after] = took(still, { me: { ...ME, groups: ['cut'] }, rev: 1 }, 0);
  assert.deepEqual(after.admins, []);
});

test('only what tells of tasks moves the rev', () => {
  const [first] = took(NOBODY, { me: ME, rev: 1 }, 0);
  const [same] = took(first, { people: [], rev: 9 }, 0);
  assert.equal(same.rev, 1);
  const [moved, news] = took(same, { events: [], afresh: true, rev: 9 }, 0);
  assert.equal(moved.rev, 9);
  assert.deepEqual(news, { afresh: true });
});

test('figures continue the day, and forget what is older', () => {
  const bucket = (at) => ({ at, tasks: {}, events: {} });
  const figures = (...at) => ({ states: {}, load: {}, day: at.map(bucket), bucket: 900 });
  const [first] = took(NOBODY, { figures: figures(0, 900, 86400) }, 0);
  const [known] = took(first, { figures: figures(87300) }, 0);
  assert.deepEqual(
    known.figures?.day.map((one) => one.at),
    [900, 86400, 87300],
  );
});

test('figures are of a sight: with another one they are not known', () => {
  const figures = { states: { 待领取: 0 }, load: {}, day: [], bucket: 900 };
  const [greeted] = took(NOBODY, { me: ME, rev: 1 }, 0);
  const [counted] = took(greeted, { figures }, 0);
  assert.deepEqual(took(counted, { me: ME, rev: 1 }, 0)[0].figures, figures);
  const wider = { ...ME, groups: ['cut'], sight: 'wider' };
  assert.equal(took(counted, { me: wider, rev: 1 }, 0)[0].figures, null);
});
