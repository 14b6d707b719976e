// The one folding of texts that are searched, as in taskdash_protocol/folding.py: page and daemon
// find the same. Both are bound by protocol/vectors/folding.json.

// What parts words, after NFKC, which makes blanks of all others. Written out: \s means something
// else in Python.
const BLANKS = /[\t-\r \u0085\u1680\u2028\u2029]+/;
const SEARCHED = [
  'id',
  'name',
  'description',
  'reason',
  'group_id',
  'project_id',
  'user',
  'checker',
];
const CHARACTERS_MAX = 4000;

/** Give a text as it is compared: NFKC, without regard to case. @param {string} text */
export const fold = (text) =>
  text.normalize('NFKC').toUpperCase().toLowerCase().replaceAll('ς', 'σ');

/** Give a text as it is compared as a whole: blanks single and inside. @param {string} text */
export const whole = (text) => fold(text).split(BLANKS).filter(Boolean).join(' ');

/** Give the words that a text is searched by. @param {string} text */
export const words = (text) => [...new Set(fold(text).split(BLANKS).filter(Boolean))];

/**
 * Give the beginning of a member: as many characters as the daemon searches, which counts code
 * points.
 * @param {string} text
 */
const beginning = (text) =>
  text.length > CHARACTERS_MAX
    ? [...text.slice(0, 2 * CHARACTERS_MAX)].slice(0, CHARACTERS_MAX).join('')
    : text;

/**
 * Tell whether a task has every one of some words.
 * @param {readonly string[]} sought as `words` gives them
 * @param {Record<string, unknown>} task
 * @param {(user: any) => string} nameOf gives the name of a person's number
 */
export function finds(sought, task, nameOf) {
  if (!sought.length) {
    return true;
  }
  const members = SEARCHED.map((name) => task[name])
    .filter((one) => typeof one === 'string')
    .map((one) => beginning(/** @type {string} */ (one)));
  const text = fold([...members, nameOf(task.user), nameOf(task.checker)].join('\n\n'));
  return sought.every((word) => text.includes(word));
}
