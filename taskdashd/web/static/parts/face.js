// A person's face: their initials in a colour that is always theirs.

import { h } from '../core/elements.js';
import { nameOf } from '../wire/known.js';

/** @typedef {import('../wire/types').Known} Known */

/** @param {Known} known @param {string} user */
export function face(known, user) {
  const name = nameOf(known, user);
  const props = { style: { '--hue': hueOf(user) }, title: name, 'aria-hidden': 'true' };
  return h('span.face', props, initials(name) || '?');
}

/** Make a person's face and name. @param {Known} known @param {string} user */
export const who = (known, user) => h('span.who', null, face(known, user), nameOf(known, user));

/** @param {string} user */
function hueOf(user) {
  let hue = 0;
  for (const character of user) {
    hue = (hue * 31 + (character.codePointAt(0) ?? 0)) % 360;
  }
  return (hue * 137) % 360;
}

/** @param {string} name */
function initials(name) {
  if (/[\u3400-\u9fff]/.test(name)) {
    return [...name].slice(-2).join('');
  }
  const firsts = name.split(/\s+/).map((part) => [...part][0] ?? '');
  return firsts.slice(0, 2).join('').toUpperCase();
}
