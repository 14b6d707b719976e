// Dialogs: a form over the page. What is typed stays until it was done, or given up.

import { fill, h } from './elements.js';

/**
 * @typedef {import('./types').Children} Children
 * @typedef {Record<string, string>} Given what a form holds, by the names of its fields
 */

/**
 * Have what is typed in a field put as it is meant, as soon as somebody goes on.
 * @param {(text: string) => string} fold
 */
export const puts = (fold) => ({
  onchange: (/** @type {any} */ { target }) => {
    target.value = fold(target.value);
  },
});

/**
 * Make a field for a line of text.
 * @param {string} label
 * @param {import('./types').Props} props
 */
export const lineField = (label, props) =>
  h('label.field', null, label, h('input', { maxlength: 64, ...props }));

/**
 * Ask something in a dialog.
 *
 * `submit` is given what was typed, and gives a sentence where it is refused: the form then stays
 * open with that sentence. Without it the form closes at once.
 * @param {string} title
 * @param {Children} body
 * @param {{
 *   confirm: string,
 *   cancel?: string,
 *   submit?: (given: Given) => Promise<string | null>,
 * }} how `confirm` and `cancel` are the buttons' words; without `cancel` there is one button
 * @returns {Promise<Given | null>} what was typed; null where it was given up
 */
export function dialog(title, body, { confirm, cancel, submit }) {
  return new Promise((resolve) => {
    const id = `dialog-${++opened}`;
    /** @type {Given | null} */
    let done = null;
    let isBusy = false;
    const refused = h('p.error', { role: 'alert' });
    const button = /** @type {HTMLButtonElement} */ (h('button.primary', { value: 'ok' }, confirm));
    const form = /** @type {HTMLFormElement} */ (
      h('form', { method: 'dialog', onkeydown: sendByKey, onsubmit }, h('h2', { id }, title), body)
    );
    form.append(
      refused,
      h(
        'div.row.end',
        null,
        cancel && h('button', { type: 'button', onclick: () => box.close() }, cancel),
        button,
      ),
    );
    const box = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': id }, form));

    /** @param {SubmitEvent} event */
    async function onsubmit(event) {
      event.preventDefault();
      if (isBusy) {
        return;
      }
      const given = read(form);
      isBusy = true;
      button.setAttribute('aria-busy', 'true');
      // A disabled button would lose the focus.
      button.setAttribute('aria-disabled', 'true');
      const why = submit ? await submit(given) : null;
      isBusy = false;
      button.removeAttribute('aria-busy');
      button.removeAttribute('aria-disabled');
      fill(refused, why);
      if (why === null) {
        done = given;
        box.close();
      }
    }

    box.addEventListener('close', () => {
      box.remove();
      resolve(done);
    });
    document.body.append(box);
    box.showModal();
    focusFirst(form);
  });
}

let opened = 0;

/** Close whatever dialogs are open: they are given up. */
export function closeDialogs() {
  for (const box of document.querySelectorAll('dialog[open]')) {
    /** @type {HTMLDialogElement} */ (box).close();
  }
}

export const isDialogOpen = () => document.querySelector('dialog[open]') !== null;

/**
 * Give what a form holds, by the names of its fields.
 * @param {HTMLFormElement} form
 * @returns {Given}
 */
export function read(form) {
  // What the daemon is told is of one line, whatever the field shows.
  const pairs = [...new FormData(form)].map(([name, value]) => [
    name,
    String(value).replace(/\s*[\r\n]+\s*/g, ' '),
  ]);
  return Object.fromEntries(pairs);
}

/** @param {KeyboardEvent} event */
function sendByKey(event) {
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    form.requestSubmit(/** @type {HTMLElement} */ (form.querySelector('button.primary')));
  }
}

/** @param {HTMLFormElement} form */
function focusFirst(form) {
  const fields = 'input:not([readonly]), textarea, select, button.primary';
  /** @type {HTMLElement | null} */ (form.querySelector(fields))?.focus();
}
