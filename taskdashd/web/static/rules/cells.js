// Cells of a file for a spreadsheet: pure. As in tools/taskdash_ctl/cells.py; both are bound by
// protocol/vectors/cells.json.

import { written } from '../core/json.js';

// Where a text would be a formula (OWASP, "CSV Injection"): behind what any program splits at, past
// what it may drop there.
const SPLITS = ';,|\\t\\n\\v\\f\\r\\x1c-\\x1e\\x85\\u2028\\u2029';
const DROPPED =
  ' "\\xa0\\xad\\u1680\\u180e\\u2000-\\u200f\\u202a-\\u202f\\u205f-\\u206f\\u2800\\u3000' +
  '\\ufe00-\\ufe0f\\ufeff';
const FORMULA =
  '=+\\-@|\\u207a-\\u207c\\u208a-\\u208c\\u2212\\ufe62\\ufe63\\ufe66\\ufe6b\\uff0b\\uff0d\\uff1d' +
  '\\uff20\\uff5c';
// Joiners and signs stand alone in these sets, whatever they combine with in a text.
// eslint-disable-next-line no-misleading-character-class
const BEGINS = new RegExp(`([${SPLITS}])(?='*[${DROPPED}]*[${FORMULA}])`, 'g');

/** Put ' before whatever would be a formula. @param {string} text */
export const guarded = (text) => `;${text}`.replace(BEGINS, "$1'").slice(1);

/** Write a cell: in quotes, and guarded. @param {unknown} value */
export function cell(value) {
  const isNothing = value === undefined || value === null;
  const text = typeof value === 'string' || isNothing ? (value ?? '') : written(value);
  const shown = ['number', 'bigint'].includes(typeof value) ? text : guarded(text);
  return `"${shown.replaceAll('"', '""')}"`;
}

/** Write a line of cells. @param {readonly unknown[]} values */
export const lineOf = (values) => `${values.map(cell).join(',')}\r\n`;
