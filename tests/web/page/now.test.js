import assert from 'node:assert/strict';
import { test } from 'node:test';

import { READ, byId, deaths, taken } from '../../../taskdashd/web/static/views/now/model.js';

const answer = (hide) => ({ by: '1001', at: '2026-01-01T00:00:00.000Z', word: '', hide });
const task = (id, more) => ({ id, status: 'shutdown', url: '', shutdown_at: id, ...more });
const service = (url, more) => ({ url, name: url, state: 'dead', since: url, ...more });

test('what somebody has hidden has no line, and what was only acknowledged has one', () => {
  const died = byId([
    task('a'),
    task('b', { acknowledged: answer(false) }),
    task('c', { acknowledged: answer(true) }),
  ]);
  const services = [service('d'), service('e', { acknowledged: answer(true) })];
  const shown = deaths(died, services).map((one) => one.task?.id ?? one.service?.url);
  assert.deepEqual(shown, ['d', 'b', 'a']);
});

test('tasks of a service that was hidden stay without lines', () => {
  const died = byId([task('a', { url: 'e' }), task('b')]);
  const services = [service('e', { acknowledged: answer(true) })];
  assert.deepEqual(
    deaths(died, services).map((one) => one.task?.id),
    ['b'],
  );
});

test('what is dismissed gives its room to others, and is read no more than once', () => {
  const model = { died: byId([task('a')]), hasMore: false, stuck: byId([]), isShort: false };
  const event = (one) => ({ rev: 1, kind: 'updated', task: one });
  const now = taken(model, [event(task('a', { acknowledged: answer(true) })), event(task('b'))]);
  assert.deepEqual([...now.died.keys()], ['b']);
  const many = Array.from({ length: 201 }, (_, n) => event(task(`t-${n}`, { rev: n })));
  const full = taken(now, many);
  assert.equal(full.died.size, READ);
  assert.ok(full.hasMore);
});
