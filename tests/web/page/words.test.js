// What is said of times and numbers, in both languages.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { FIELDS } from '../../../taskdashd/web/static/rules/filters.js';

globalThis.document = { documentElement: { lang: 'en' } };
const { lasting, left, setWords, t } = await import('../../../taskdashd/web/static/parts/words.js');
const { labelOf } = await import('../../../taskdashd/web/static/parts/reasons.js');

const STATIC = new URL('../../../taskdashd/web/static/', import.meta.url);
const AT = Date.parse('2026-05-04T10:00:00Z');
const after = (seconds) => new Date(AT + seconds * 1000).toISOString();

/** @param {'en' | 'zh'} language */
function speak(language) {
  const files = ['parts/words.json', 'views/list/words.json'];
  const all = files.map((path) => JSON.parse(readFileSync(new URL(path, STATIC), 'utf8')));
  setWords(language, Object.assign({}, ...all.map((one) => one[language])));
}

test('the time left of a claim is rounded down, in the largest unit', () => {
  const wanted = [
    [7199, '1 h 59 min left', '剩余 1 小时 59 分钟'],
    [7200, '2 h left', '剩余 2 小时'],
    [90, '1 min left', '剩余 1 分钟'],
    [5, '5 s left', '剩余 5 秒'],
    [200_000, '2 d left', '剩余 2 天'],
    [0, 'time is up', '已到期'],
    [-5, 'time is up', '已到期'],
  ];
  for (const [seconds, en, zh] of wanted) {
    speak('en');
    assert.equal(left(after(seconds), AT), en);
    speak('zh');
    assert.equal(left(after(seconds), AT), zh);
  }
});

test('how long something lasts is no "since ago"', () => {
  speak('en');
  assert.equal(lasting(after(-14), AT), 'for 14 s');
  assert.equal(lasting(after(3), AT), 'for 0 s');
  speak('zh');
  assert.equal(lasting(after(-14), AT), '已持续 14 秒');
});

test('one is not many', () => {
  speak('en');
  assert.equal(t('list.all', { n: '1' }), '1 task');
  assert.equal(t('list.all', { n: '11' }), '11 tasks');
});

test('a person without a name is a number, once', () => {
  assert.equal(labelOf({ user: '1001', name: 'Ann Li' }), 'Ann Li (1001)');
  assert.equal(labelOf({ user: '1', name: '1' }), '1');
  assert.equal(labelOf({ user: '1', name: '' }), '1');
});

test('each filter that a link may set is called by a name', () => {
  for (const language of ['en', 'zh']) {
    speak(language);
    const keys = Object.values(FIELDS).map((field) => `field.${field}`);
    assert.deepEqual(
      keys.filter((key) => t(key) === key),
      [],
    );
  }
});
