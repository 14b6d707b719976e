// How long the daemon may be silent, and when it is tried again.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OPENING_MS, between, pauseAfter } from '../../../taskdashd/web/static/wire/pace.js';

test('of two clocks the one that says more is right', () => {
  const from = { wall: 1000, steady: 50 };
  assert.equal(between(from, { wall: 3000, steady: 60 }), 2000, 'the machine has slept');
  assert.equal(between(from, { wall: -9000, steady: 20050 }), 20000, 'the wall was set back');
});

test('never more than five seconds pass between the beginnings of two tries', () => {
  for (const chance of [0, 0.5, 0.999]) {
    for (let tries = 0; tries < 40; tries++) {
      for (const spent of [0, 100, 1000, OPENING_MS, OPENING_MS + 300]) {
        const pause = pauseAfter(tries, spent, chance);
        assert.ok(pause >= 125, `${pause} ms is a storm of tries`);
        assert.ok(spent + pause <= 5000, `${spent} + ${pause} ms`);
      }
    }
  }
});

test('pages that lose the daemon together do not come back together', () => {
  const pauses = [0, 0.25, 0.5, 0.75].map((chance) => pauseAfter(0, 60_000, chance));
  assert.equal(new Set(pauses).size, 4);
});
