// Texts without what is meant for a terminal: colours and moves of a cursor, which programs write
// into their reasons, and what would turn the direction of the words that stand behind.

const CONTROLS = '\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069';
const CONTROL = new RegExp(`[${CONTROLS}]`);
const ALL = new RegExp(
  // Sequences of ECMA-48 (5.4, 5.6): control sequences, also cut off; strings; and all others.
  '(?:\\x1b\\[|\\x9b)[0-?]*[ -/]*(?:[@-~]|$)' +
    '|(?:\\x1b[P\\]X^_]|[\\x90\\x98\\x9d-\\x9f])[^\\x07\\x1b\\x80-\\x9f]*' +
    '(?:\\x07|\\x1b\\\\|\\x9c)' +
    `|\\x1b[ -/]*[0-~]|[${CONTROLS}]`,
  'g',
);
const RETURN = /\r\n?/g;

/** Give a text as people read it. @param {string} text */
export const cleaned = (text) =>
  CONTROL.test(text) ? text.replace(RETURN, '\n').replace(ALL, '') : text;
