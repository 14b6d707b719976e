// Short messages that go by themselves; one may carry a button.

import { cleaned } from './cleaned.js';
import { h } from './elements.js';

const SHOWN_MAX = 4;

/**
 * Show a message; the same text takes the place of the one before.
 * @param {string} said
 * @param {{ kind?: '' | 'bad' | 'note', ms?: number, label?: string, onpress?: () => void }} [more]
 *   `label` and `onpress` make a button; `ms` is how long the message stays, in milliseconds
 * @returns {() => void} what takes it away
 */
export function toast(said, { kind = '', ms = 6000, label = '', onpress } = {}) {
  const text = cleaned(said);
  const box = /** @type {HTMLElement} */ (document.getElementById('toasts'));
  for (const old of [...box.children]) {
    if (old.firstChild?.textContent === text) {
      old.remove();
    }
  }
  const node = h(kind ? `div.toast.${kind}` : 'div.toast', {
    role: kind === 'bad' ? 'alert' : null,
  });
  const remove = () => node.remove();
  node.append(h('span', null, text));
  if (onpress) {
    const named = `${label}: ${text}`;
    const press = () => {
      remove();
      onpress();
    };
    node.append(h('button', { type: 'button', 'aria-label': named, onclick: press }, label));
  }
  raise(box);
  box.append(node);
  while (box.children.length > SHOWN_MAX) {
    box.firstElementChild?.remove();
  }
  setTimeout(remove, ms);
  return remove;
}

/** Take all messages away: the next to look may be somebody else. */
export function clearToasts() {
  document.getElementById('toasts')?.replaceChildren();
}

/**
 * Show where messages come, before the first one does: readers of screens tell only what changes in
 * what is shown.
 */
export function showToasts() {
  document.getElementById('toasts')?.showPopover();
}

/** Show the popover once more where a dialog covers it. @param {HTMLElement} box */
function raise(box) {
  if (document.querySelector('dialog[open]')) {
    box.hidePopover();
    box.showPopover();
  }
}
