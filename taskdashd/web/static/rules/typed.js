// What people type, by what is meant, as in taskdash_protocol/typed.py: equal to the eye is equal.
// Both are bound by protocol/vectors/typed.json.

import { fold } from './folding.js';

// What takes no room on a screen; the last three are those of annotations.
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]+/gu;
// White space, the four that are so in Python alone, and the Braille pattern without a dot.
// eslint-disable-next-line no-control-regex
const BLANKS = /[\s\x1c-\x1f\x85\u2800]+/gu;
const DOTS = /[\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65]/gu;
const DIGIT = /\p{Nd}/gu;
const IS_DIGIT = /^\p{Nd}$/u;

/** @param {string} text */
const composed = (text) => text.normalize('NFKC');

/** Give the value of a digit: those of each script stand in tens, from zero. @param {string} one */
function valueOf(one) {
  const code = /** @type {number} */ (one.codePointAt(0));
  let from = code;
  while (IS_DIGIT.test(String.fromCodePoint(from - 1))) {
    from -= 1;
  }
  return String((code - from) % 10);
}

/** @param {string} text */
const folded = (text) =>
  // NFKC brings some of the invisible forth, and joins letters that they kept apart.
  composed(composed(text).replace(INVISIBLE, '')).replace(DOTS, '\u00b7').replace(DIGIT, valueOf);

/** Give the employee number that is meant: nothing invisible, and no blank. @param {string} text */
export const typedNumber = (text) => folded(composed(text).replace(BLANKS, ''));

/** Give the name that is meant: blanks single, and inside. @param {string} text */
export const typedName = (text) =>
  folded(text).replace(BLANKS, ' ').replace(/^ /, '').replace(/ $/, '');

/** Give a name as it is compared: without regard to case. @param {string} text */
export const compared = (text) => fold(typedName(text));
