// What is meant for a terminal is none of a text's words.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cleaned } from '../../../taskdashd/web/static/core/cleaned.js';

/** @type {[string, string][]} */
const TEXTS = [
  ['\x1b[31merror\x1b[0m: disk full', 'error: disk full'],
  ['\x1b[1;38;5;196mred\x1b[m \x1b[2K\x1b[1Gdone', 'red done'],
  ['\x9b31mred\x9b0m', 'red'],
  ['cut off \x1b[38;5', 'cut off '],
  ['\x1b]0;a title\x07b\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\', 'blink'],
  ['\x1b]no end, and the words stay', 'no end, and the words stay'],
  ['\x1b(B\x1b7\x1bcreset\x1b', 'reset'],
  ['10 %\r20 %\r\nline\ttab', '10 %\n20 %\nline\ttab'],
  ['a\bb\0\x7f\x85', 'ab'],
  ['photo\u202egpj.exe\u2066', 'photogpj.exe'],
];

test('terminal sequences and controls are taken out, and the words stay', () => {
  for (const [text, expected] of TEXTS) {
    assert.equal(cleaned(text), expected, JSON.stringify(text));
  }
  for (const begin of ['\x1b]', '\x9d', '\x1b[', '\x9b0', '\x1bP ']) {
    // A text of which each beginning were read to its end would take minutes.
    assert.ok(cleaned(begin.repeat(100_000)).length <= 300_000);
  }
});

test('all that people write stays', () => {
  const texts = ['', '剪辑 [31m] ¶', 'ÜBERGABE\n👩‍👩‍👧 שלום العربية', 'a] b[0m', '\u200d\ufeff\u3000'];
  for (const text of texts) {
    assert.equal(cleaned(text), text);
  }
});
