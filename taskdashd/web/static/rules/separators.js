// What people type between names, as in taskdash_protocol/typed.py: page and daemon part names at
// the same places. Both are bound by protocol/vectors/typed.json.

// Commas, semicolons and the enumeration comma of all scripts, tabs and line breaks. A blank is
// none: names have blanks inside.
const SEPARATORS = new RegExp(
  [
    '[,;\\t-\\r\\x1c-\\x1f\\x85\\u037e\\u055d\\u060c\\u061b\\u07f8\\u1363\\u1364\\u1802\\u1808',
    '\\u2028\\u2029\\u204f\\u2e32\\u2e34\\u2e35\\u2e41\\u2e49\\u2e4c\\u3001\\ua4fe\\ua60d\\ua6f5',
    '\\ufe10\\ufe11\\ufe14\\ufe50\\ufe51\\ufe54\\uff0c\\uff1b\\uff64]',
  ].join(''),
);

/** Give the names in a text; the daemon folds each. @param {string} text */
export const namesIn = (text) =>
  text
    .split(SEPARATORS)
    .map((one) => one.trim())
    .filter(Boolean);
