// Who has answered that something died, when, and what they said.

import { h } from '../core/elements.js';
import { daemonTime, nameOf } from '../wire/known.js';
import { since } from './time.js';
import { t } from './words.js';

/**
 * Give what somebody is called: of a program that has no name of its own what it is, without its
 * process, its client and its address.
 * @param {import('../wire/types').Known} known
 * @param {string} by
 */
export const shortName = (known, by) =>
  nameOf(known, by).replace(/(\[\d+\])?( [\w.-]+\/\S+)? \([^()]*:\d+\)$/, '');

/**
 * Make the answer to a death; nothing where nobody has answered.
 * @param {import('../wire/types').Answer | undefined} answer
 * @param {import('../wire/types').Known} known
 */
export function answered(answer, known) {
  if (!answer) {
    return null;
  }
  const { at, by, hide, word } = answer;
  const who = t(hide ? 'answered.hidden' : 'answered', { name: shortName(known, by) });
  const whole = t(hide ? 'answered.hidden' : 'answered', { name: nameOf(known, by) });
  const said = word && ` · ${word}`;
  return h(
    'span.answered',
    { title: `${whole}${said}` },
    `✓ ${who} `,
    since(at, daemonTime(known)),
    said,
  );
}
