// What a task is found by, as in taskdashd/domain/search.py: what changes while a search is open is
// judged as the daemon judges what it is asked for.

import { CALLED } from './called.js';
import { fold, words } from './folding.js';
import { stateOf } from './states.js';
import { compared } from './typed.js';

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
const LIVE = 'live';

/**
 * What is looked for: each word as it is folded, as it is compared with names, and the states that
 * it says together with the words beside it.
 * @typedef {readonly (readonly [word: string, typed: string, states: readonly string[]])[]} Sought
 */

/** Read what somebody looks for. @param {string} text @returns {Sought} */
export function soughtIn(text) {
  const all = words(text);
  const said = ` ${all.join(' ')} `;
  const spoken = Object.entries(CALLED).flatMap(([state, phrases]) =>
    phrases
      .filter((phrase) => said.includes(` ${phrase} `))
      .map((phrase) => /** @type {const} */ ([state, phrase.split(' ')])),
  );
  return all.map((word) => {
    const states = spoken.filter(([, phrase]) => phrase.includes(word)).map(([state]) => state);
    return [word, compared(word), states];
  });
}

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
 * Tell whether a task has every one of some words, or is in a state or somebody's that it means.
 * @param {Sought} sought
 * @param {Record<string, any>} task
 * @param {(user: string) => string} nameOf gives the name of a person's number
 */
export function finds(sought, task, nameOf) {
  if (!sought.length) {
    return true;
  }
  const state = stateOf(task.status) === LIVE ? LIVE : task.status;
  const members = [...SEARCHED, ...(state === LIVE ? ['status'] : [])]
    .map((name) => task[name])
    .filter((one) => typeof one === 'string')
    .map(beginning);
  const text = fold(members.join('\n\n'));
  const names = [task.user, task.checker]
    .filter((user) => user && nameOf(user) !== user)
    .map((user) => compared(nameOf(user)));
  return sought.every(
    ([word, typed, states]) =>
      text.includes(word) ||
      states.includes(state) ||
      (typed !== '' && names.some((name) => name.includes(typed))),
  );
}
