// JSON with the digits of integers as they were given. A number of the page holds 53 bits, the
// daemon's integers 64: what would lose digits is a BigInt here. All else is as JSON has it.

const LONG = /\d{16}/;
/** A string, or a number: digits within a string are no number. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?[1-9]\d{15,}$/;
/** What marks digits that pass through `JSON` as a text: nobody can guess it. */
const MARK = `${crypto.getRandomValues(new Uint32Array(4)).join('-')}:`;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');

/**
 * Read a value. Raises `SyntaxError`.
 * @param {string} text
 * @returns {any}
 */
export function parsed(text) {
  // Only newer browsers tell a reviver how a number was written.
  const marked = LONG.test(text) ? text.replace(TOKENS, quoted) : text;
  return marked === text ? JSON.parse(text) : JSON.parse(marked, bared);
}

/** @param {string} token */
const quoted = (token) =>
  INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${MARK}${token}"` : token;

/** @param {string} _name @param {unknown} value */
const bared = (_name, value) =>
  typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value;

/**
 * Write a value: what `parsed` has read gets its digits back.
 * @param {unknown} value
 * @returns {string}
 */
export function written(value) {
  const text = JSON.stringify(value, (_name, one) =>
    typeof one === 'bigint' ? `${MARK}${one}` : one,
  );
  return text?.replace(MARKED, '$1');
}
