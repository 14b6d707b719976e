// Whether the daemon is heard: where it is not, the page is dimmed, and says since when.

import { clock, t } from '../parts/words.js';

/** @param {import('./shell').Shell} shell */
export function paintState({ wire }) {
  const said = /** @type {HTMLElement} */ (document.getElementById('offline'));
  const isLost = wire.state === 'lost';
  document.body.classList.toggle('lost', isLost);
  said.hidden = !isLost;
  said.textContent = isLost ? textOf(wire.heardAt) : '';
}

/** @param {number} heardAt */
const textOf = (heardAt) => (heardAt ? t('offline', { at: clock(heardAt) }) : t('signin.away'));
