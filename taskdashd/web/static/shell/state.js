// Whether the daemon is heard: where it is not, the page is dimmed, and says since when.

import { clock, t } from '../parts/words.js';

/** @param {import('./shell').Shell} shell */
export function paintState({ wire }) {
  const said = /** @type {HTMLElement} */ (document.getElementById('offline'));
  const isLost = wire.state === 'lost';
  document.body.classList.toggle('lost', isLost);
  said.hidden = !isLost;
  const lost = wire.heardAt ? t('offline', { at: clock(wire.heardAt) }) : t('signin.away');
  const text = isLost ? lost : '';
  if (said.textContent !== text) {
    said.textContent = text;
  }
}
