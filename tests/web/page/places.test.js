// Places and their URLs.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  differInSight,
  linkTo,
  parsePlace,
  placeOf,
} from '../../../taskdashd/web/static/rules/places.js';

test('a URL is read as it was written', () => {
  for (const id of ['a', 'a/b', '100%', '任务 #1', '?x=1&y', '..']) {
    const { view, about } = parsePlace(linkTo('task', id));
    assert.deepEqual([view, about], ['task', id]);
  }
  const { filters } = parsePlace(linkTo('board', '', { q: 'a&b', group: '剪辑' }));
  assert.deepEqual(Object.fromEntries(filters), { q: 'a&b', group: '剪辑' });
});

test('what nobody wrote so leads to where one lands', () => {
  for (const hash of ['', '#', '#/', '#/nowhere', '#//x']) {
    assert.equal(parsePlace(hash).view, 'mine');
  }
  assert.equal(parsePlace('#/task/100%').about, '100%');
});

test('only what a view understands stays in its URL', () => {
  const all = { q: 'a', group: 'g', state: 'free', sort: 'name', column: 'done', folded: 'free' };
  assert.equal(linkTo('board', '', all), '#/board?q=a&group=g&column=done&folded=free');
  assert.equal(linkTo('list', '', all), '#/list?q=a&group=g&state=free&sort=name');
});

test('each view is of a place', () => {
  assert.equal(placeOf('task'), 'work');
  assert.equal(placeOf('day'), 'house');
  assert.equal(placeOf('anything'), 'mine');
});

test('which column is in sight makes nothing be read again, and all else does', () => {
  const differ = (one, other) =>
    differInSight(new URLSearchParams(one), new URLSearchParams(other));
  assert.ok(differ('q=a', 'q=a&column=done'));
  assert.ok(differ('folded=free,done&q=a', 'q=a'));
  assert.ok(!differ('q=a&column=done', 'q=a&column=done'));
  assert.ok(!differ('q=a', 'q=b&column=done'));
  assert.ok(!differ('', 'free=oldest'));
});
