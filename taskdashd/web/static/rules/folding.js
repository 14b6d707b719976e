// The one folding of texts that are searched, as in taskdash_protocol/folding.py: page and daemon
// find the same. Both are bound by protocol/vectors/folding.json.

// What parts words, after NFKC, which makes blanks of all others. Written out: \s means something
// else in Python.
const BLANKS = /[\t-\r \u0085\u1680\u2028\u2029]+/;

/** Give a text as it is compared: NFKC, without regard to case. @param {string} text */
export const fold = (text) =>
  text.normalize('NFKC').toUpperCase().toLowerCase().replaceAll('ς', 'σ');

/** Give a text as it is compared as a whole: blanks single and inside. @param {string} text */
export const whole = (text) => fold(text).split(BLANKS).filter(Boolean).join(' ');

/** Give the words that a text is searched by. @param {string} text */
export const words = (text) => [...new Set(fold(text).split(BLANKS).filter(Boolean))];
