// Which answers somebody is offered when a task or a service has died.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actsFor, answersTo, mayLabel } from '../../../taskdashd/web/static/rules/acts.js';
import { answerOf } from '../../../taskdashd/web/static/views/task/model.js';

const me = (role, more) => ({ user: '1', name: '', role, groups: [], leads: [], ...more });
const WORKER = me('worker', { groups: ['cut'] });
const LEAD = me('lead', { leads: ['cut'] });
const ADMIN = me('admin');
const READER = me('reader', { user: '' });
const OPERATOR = me('operator', { user: '' });
const answer = (hide) => ({ by: '1', at: '', word: '', hide });
const task = (status, more) => ({ id: 't', status, user: '', group_id: 'cut', ...more });
const WHOLE = { whole: true };

test('whoever may act answers a death, and a lead cancels', () => {
  const dead = task('shutdown');
  assert.deepEqual(actsFor(dead, WORKER), ['acknowledge', 'dismiss']);
  for (const one of [LEAD, ADMIN, OPERATOR]) {
    assert.deepEqual(actsFor(dead, one), ['acknowledge', 'dismiss', 'cancel']);
  }
  assert.deepEqual(actsFor(dead, READER), []);
  assert.deepEqual(actsFor(dead, null), []);
  assert.deepEqual(actsFor({ ...dead, group_id: 'paint' }, LEAD), ['acknowledge', 'dismiss']);
});

test('what was answered is only dismissed, and what was dismissed brought back', () => {
  assert.deepEqual(answersTo({ acknowledged: answer(false) }, WORKER), ['dismiss']);
  assert.deepEqual(answersTo({ acknowledged: answer(true) }, WORKER), ['acknowledge']);
});

test('beside the whole task all that is not over can be cancelled', () => {
  for (const status of ['running', '待领取', '编辑中', 'pending', 'failed']) {
    assert.ok(actsFor(task(status), LEAD, WHOLE).includes('cancel'), status);
    assert.ok(!actsFor(task(status), WORKER, WHOLE).includes('cancel'), status);
  }
  assert.ok(!actsFor(task('running'), LEAD).includes('cancel'));
  for (const status of ['finish', 'finished', 'cancelled']) {
    assert.ok(!actsFor(task(status), ADMIN, WHOLE).includes('cancel'), status);
  }
});

test('the history tells of an answer, also of one that the audit has cut', () => {
  const entry = (fresh) => ({ at: 'then', changes: { acknowledged: [null, fresh] } });
  const given = answer(true);
  assert.deepEqual(answerOf(entry(JSON.stringify(given))), given);
  const cut = JSON.stringify({ by: '1', at: 'then', word: 'x'.repeat(500) }).slice(0, 200);
  const { by, at, word } = answerOf(entry(cut));
  assert.deepEqual([by, at], ['1', 'then']);
  assert.match(word, /^x+ …$/);
  assert.equal(answerOf(entry(null)), undefined);
  assert.equal(answerOf({ at: 'then' }), undefined);
});

test('who may claim a task or has it gives it labels, and a lead', () => {
  const mine = [task('待领取'), task('编辑中', { user: '1' }), task('review', { user: '1' })];
  for (const one of mine) {
    assert.ok(mayLabel(one, WORKER));
    assert.ok(!mayLabel(one, READER));
    assert.ok(!mayLabel(one, null));
  }
  for (const one of [
    task('编辑中', { user: '2' }),
    task('running'),
    task('finish', { user: '1' }),
  ]) {
    assert.ok(!mayLabel(one, WORKER));
    assert.ok([LEAD, ADMIN].every((who) => mayLabel(one, who)));
  }
});
