// Who has answered that something died, when, and what they said.

import { h } from '../core/elements.js';
import { daemonTime, nameOf } from '../wire/known.js';
import { since } from './time.js';
import { t } from './words.js';

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
  const who = t(hide ? 'answered.hidden' : 'answered', { name: nameOf(known, by) });
  const said = word && ` · ${word}`;
  return h(
    'span.answered',
    { title: `${who}${said}` },
    `✓ ${who} `,
    since(at, daemonTime(known)),
    said,
  );
}
