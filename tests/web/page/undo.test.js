// The way back from an act: whatever the table allows, and nothing that would not restore a task.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stepsFrom } from '../../../taskdashd/web/static/rules/acts.js';
import { STATES } from '../../../taskdashd/web/static/rules/claims.js';
import { wayBack } from '../../../taskdashd/web/static/rules/undo.js';
import { lead, task, worker } from './office.js';

const AT = Date.parse('2026-05-04T10:00:00Z');
const HOUR_LATER = '2026-05-04T11:00:00Z';
const acts = (way) => way.map(({ act }) => act);

/** Give the task after a step, as the daemon would. */
function walked(one, { act, to }, given, me) {
  const users = { claim: me.user, assign: given.to, release: '' };
  return { ...one, status: to, user: users[act] ?? one.user };
}

test('a claim is released, and a release is claimed again with the time that was left', () => {
  const free = task('待领取', '');
  const mine = task('已领取', '1', { claim_until: HOUR_LATER, reason: 'soon' });
  assert.deepEqual(wayBack(free, mine, worker, AT), [{ act: 'release', more: {} }]);
  assert.deepEqual(wayBack(mine, free, worker, AT), [{ act: 'claim', more: { limit: 3600 } }]);
  const begun = { ...mine, status: '编辑中' };
  assert.deepEqual(acts(wayBack(begun, free, worker, AT)), ['claim', 'begin']);
  assert.deepEqual(wayBack(free, begun, worker, AT), [{ act: 'release', more: {} }]);
});

test('a lead gives a task back to who had it', () => {
  const theirs = task('已领取', '2', { reason: 'yours' });
  const back = [{ act: 'assign', more: { to: '2', word: 'yours' } }];
  assert.deepEqual(wayBack(theirs, task('待领取', ''), lead, AT), back);
  assert.deepEqual(wayBack(theirs, task('已领取', '3'), lead, AT), back);
  assert.deepEqual(acts(wayBack(task('待领取', ''), task('已领取', '3'), lead, AT)), ['release']);
});

test('what would not be as it was is not offered', () => {
  // Somebody else had begun: only they can say so again.
  assert.deepEqual(wayBack(task('编辑中', '2'), task('待领取', ''), lead, AT), []);
  // It was meant for somebody, which a release would forget.
  assert.deepEqual(wayBack(task('待领取', '1'), task('已领取', '1'), worker, AT), []);
  // The time is over.
  const late = task('已领取', '1', { claim_until: '2026-05-04T09:59:59Z' });
  assert.deepEqual(wayBack(late, task('待领取', ''), worker, AT), []);
  for (const to of ['待审核', 'finish']) {
    assert.deepEqual(wayBack(task('编辑中', '1'), task(to, '1'), worker, AT), []);
    assert.deepEqual(wayBack(task('待审核', '2'), task(to, '2'), lead, AT), []);
  }
  assert.deepEqual(wayBack(task('待审核', '2'), task('编辑中', '2'), lead, AT), []);
  assert.deepEqual(wayBack(task('待领取', ''), task('已领取', '1'), null, AT), []);
});

test('each way back is allowed step by step, and ends where it began', () => {
  let offered = 0;
  for (const me of [worker, lead, { ...worker, role: 'admin' }]) {
    for (const status of Object.keys(STATES)) {
      for (const user of ['', '1', '2']) {
        for (const step of stepsFrom(task(status, user), me)) {
          for (const to of ['1', '3']) {
            const before = task(status, user);
            const after = walked(before, step, { to }, me);
            const way = wayBack(before, after, me, AT);
            let now = after;
            for (const { act, more } of way) {
              const next = stepsFrom(now, me).find((one) => one.act === act);
              assert.ok(next, `${act} is refused: ${JSON.stringify(now)}`);
              now = walked(now, next, more, me);
            }
            offered += way.length > 0 ? 1 : 0;
            const end = way.length > 0 ? [STATES[now.status], now.user] : [];
            assert.deepEqual(end, way.length > 0 ? [STATES[status], user] : []);
          }
        }
      }
    }
  }
  assert.ok(offered > 20);
});
