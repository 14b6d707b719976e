// What somebody has, in words.

import { number, t } from '../../parts/words.js';

/** @param {import('./model').Row['load']} load */
export function loadSaid(load) {
  const there = load.filter(([, count]) => count > 0);
  const said = there.map(([state, count]) =>
    t('people.count', { state: t(`state.${state}`), n: number(count) }),
  );
  return said.join(t('people.and')) || t('people.nothing');
}
