// What a person is shown of a task.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  joined,
  labelsIn,
  shownChanges,
  shownFields,
} from '../../../taskdashd/web/static/views/task/model.js';

const INNER = ['seq', 'rev', 'epoch', 'fenced', 'kind', 'errid', 'errmsg', 'tree', 'job', 'gate'];

test('what only the daemon needs is not among the fields, nor among the changes', () => {
  const inner = Object.fromEntries(INNER.map((name) => [name, 7]));
  const task = { id: 't', name: 'T', status: '待领取', ...inner, colour: 'red', user: '' };
  assert.deepEqual(shownFields(task), ['status', 'colour']);
  const changes = Object.fromEntries(INNER.map((name) => [name, [1, 2]]));
  assert.deepEqual(shownChanges({ changes: { ...changes, colour: ['', 'red'] } }), [
    ['colour', ['', 'red']],
  ]);
});

test('history is joined without repeating an entry, the newest first', () => {
  const entry = (rev) => ({ rev, kind: 'updated' });
  const all = joined([entry(5), entry(4)], [entry(6), entry(5), entry(3)]);
  assert.deepEqual(
    all.map(({ rev }) => rev),
    [6, 5, 4, 3],
  );
});

test('labels are read from the text of the audit, also where it is cut', () => {
  const labels = ['say "hi", a\\b', '"', 'me'];
  const text = JSON.stringify(labels);
  assert.deepEqual(labelsIn(text), labels);
  assert.deepEqual(labelsIn('[]'), []);
  assert.deepEqual(labelsIn(`${text.slice(0, -2)}…`), [...labels.slice(0, 2), 'me…']);
  assert.deepEqual(labelsIn(`${text.slice(0, 11)}…`), ['say "hi…']);
});
