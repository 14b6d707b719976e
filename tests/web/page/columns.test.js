// Which columns are in sight, whatever the URL says.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { empty, read } from '../../../taskdashd/web/static/views/board/model.js';
import { ordersOf } from '../../../taskdashd/web/static/views/board/order.js';
import { chosenIn, foldedIn, foldedWith } from '../../../taskdashd/web/static/views/board/sight.js';

const of = (query) => new URLSearchParams(query);
const none = empty({ where: {}, text: '', sought: [] }, ordersOf(of('')));
const draft = { id: 't', name: '', group_id: '', status: '草稿', rev: 1 };

test('one column is chosen, whatever the URL says', () => {
  assert.equal(chosenIn(of(''), none), 'free');
  assert.equal(chosenIn(of('column=review'), none), 'review');
  assert.equal(chosenIn(of('column=constructor'), none), 'free');
  assert.equal(chosenIn(of('column=waits'), none), 'free');
  assert.equal(chosenIn(of('column=waits'), read(none, 'waits', [draft], false)), 'waits');
});

test('columns are folded and unfolded in the URL, in their order', () => {
  assert.deepEqual([...foldedIn(of('folded=done,free,free,nonsense'))], ['free', 'done']);
  assert.equal(foldedWith(of('folded=done'), 'free'), 'free,done');
  assert.equal(foldedWith(of('folded=done,free'), 'done'), 'free');
  assert.equal(foldedWith(of('folded=done'), 'done'), '');
});
