// Whether the daemon is heard: where it is not, the page is dimmed, and says since when.

import { t } from '../parts/words.js';

/** @param {import('./shell').Shell} shell */
export function paintState({ wire }) {
  const said = /** @type {HTMLElement} */ (document.getElementById('offline'));
  const isLost = wire.state === 'lost' && wire.known.me !== null;
  document.body.classList.toggle('lost', isLost);
  said.hidden = !isLost;
  const at = new Date(wire.heardAt).toLocaleTimeString(document.documentElement.lang, {
    hour12: false,
  });
  const text = isLost ? t('offline', { at }) : '';
  if (said.textContent !== text) {
    said.textContent = text;
  }
}
