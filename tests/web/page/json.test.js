// Integers keep their digits, and all else is as JSON has it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parsed, written } from '../../../taskdashd/web/static/core/json.js';
import { cell } from '../../../taskdashd/web/static/rules/cells.js';

const LARGE = ['1234567890123456789', '-9223372036854775808', '9223372036854775807'];

test('integers of 64 bits come and go with all their digits', () => {
  for (const digits of [...LARGE, '9007199254740993', '-9007199254740992']) {
    for (const text of [digits, `[${digits}]`, `{"a":{"b":[0,${digits},"${digits}"]}}`]) {
      assert.equal(written(parsed(text)), text);
    }
    assert.equal(parsed(digits), BigInt(digits));
  }
  assert.notEqual(parsed(LARGE[0]), parsed('1234567890123456788'));
});

test('what a number holds stays a number', () => {
  for (const text of [
    '0',
    '-1',
    '9007199254740991',
    '-9007199254740991',
    '1e22',
    '0.1',
    '1.5e300',
  ]) {
    assert.equal(parsed(text), Number(text));
    assert.equal(parsed(`[${text}, ${LARGE[0]}]`)[0], Number(text));
  }
  // A fraction with many digits is no integer, and neither is what stands behind an exponent.
  assert.equal(parsed('[0.1234567890123456789]')[0], 0.12345678901234568);
  assert.equal(parsed('[1234567890123456789.0]')[0], 1234567890123456800);
  assert.equal(parsed('[1e0000000000000000001]')[0], 10);
});

test('digits in a text are text', () => {
  const texts = [
    '"',
    '\\',
    '\\"',
    `"${LARGE[0]}`,
    `,${LARGE[0]},`,
    `\\\\"${LARGE[0]}"`,
    'é\n\u2028',
  ];
  for (const one of texts) {
    const value = { [one]: [one, `${one}${LARGE[0]}`], big: BigInt(LARGE[0]) };
    assert.deepEqual(parsed(written(value)), value);
  }
  assert.equal(parsed(JSON.stringify('7'.repeat(3_000_000))).length, 3_000_000);
});

test('what is no JSON is refused also with large integers', () => {
  for (const text of [`[${LARGE[0]}`, `0${LARGE[0]}`, `[${LARGE[0]} 1]`, '']) {
    assert.throws(() => parsed(text), SyntaxError, text);
  }
});

test('any value comes back as it was', () => {
  let seed = 7;
  const chance = (/** @type {number} */ n) => (seed = (seed * 48271) % 2147483647) % n;
  /** @type {(depth: number) => unknown} */
  const made = (depth) => {
    const kind = chance(depth > 3 ? 5 : 7);
    const digits = Array.from({ length: 1 + chance(18) }, () => chance(10)).join('');
    if (kind === 5) {
      return Array.from({ length: chance(4) }, () => made(depth + 1));
    }
    if (kind === 6) {
      return Object.fromEntries([1, 2, 3].map(() => [`k${digits}"\\`, made(depth + 1)]));
    }
    const exact = BigInt(chance(2) ? digits : `-${digits}`);
    const isSafe = Number.isSafeInteger(Number(exact));
    return [null, true, `${digits}"\\,`, isSafe ? Number(exact) : exact, chance(1000) / 7][kind];
  };
  for (let n = 0; n < 5_000; n++) {
    const value = made(0);
    assert.deepEqual(parsed(written(value)), value === 0 ? 0 : value);
  }
});

test('a cell of a saved list has the digits', () => {
  assert.equal(cell(BigInt(LARGE[1])), `"${LARGE[1]}"`);
  assert.equal(cell([BigInt(LARGE[0])]), `"[${LARGE[0]}]"`);
});
