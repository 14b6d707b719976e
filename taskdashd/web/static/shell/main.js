// Where the page begins.

import { kept } from '../core/storage.js';
import { isWall } from '../rules/places.js';
import { followNewer } from './newer.js';
import { Shell } from './shell.js';

const theme = kept('browser', 'theme');
if (theme) {
  document.documentElement.dataset.theme = theme;
}
const skip = /** @type {HTMLElement} */ (document.getElementById('skip'));
// A screen on a wall has nobody who tabs through it.
skip.hidden = isWall();
skip.addEventListener('click', (event) => {
  // The hash says which view is open: following the link would close it, so move only the focus.
  event.preventDefault();
  document.getElementById('main')?.focus();
});
const { prefix } = document.documentElement.dataset;
if (prefix && !location.pathname.startsWith(`${prefix}/`)) {
  // Here the cookie of a sign-in would not be sent: it is kept for what is below the prefix.
  location.replace(`${prefix}/${isWall() ? 'wall' : ''}${location.hash}`);
} else {
  new Shell().begin();
  isWall() && followNewer();
}
