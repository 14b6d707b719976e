// Signing in: a dialog over the page. Where a sign-in has ended, all that was typed stays under it.

import { lineField, puts, read } from '../core/dialogs.js';
import { fill, h } from '../core/elements.js';
import { keep, kept } from '../core/storage.js';
import { toast } from '../core/toasts.js';
import { reason } from '../parts/reasons.js';
import { t, when } from '../parts/words.js';
import { typedName, typedNumber } from '../rules/typed.js';
import { languages } from './bar.js';

/**
 * @typedef {import('./shell').Shell} Shell
 * @typedef {import('../wire/types').Reply} Reply
 * @typedef {import('../core/types').Children} Children
 */

const RETRY_MS = 1000;

/**
 * Read who has signed in last; nobody where something else is kept there.
 * @param {string | null} text
 * @returns {Record<string, string>}
 */
function lastOf(text) {
  try {
    const { user, name } = JSON.parse(text ?? '{}');
    return [user, name].every((one) => typeof one === 'string') ? { user, name } : {};
  } catch {
    return {};
  }
}

export class SignIn {
  /** @param {Shell} shell */
  constructor(shell) {
    this.#shell = shell;
    // What somebody else has seen and typed lies under this dialog. A browser closes on a second
    // Escape whatever was said to the first, and on a third what is under it.
    const stay = (/** @type {KeyboardEvent} */ event) =>
      this.#isAsking && event.key === 'Escape' && event.preventDefault();
    addEventListener('keydown', stay, { capture: true });
    this.#box.addEventListener('cancel', (event) => event.preventDefault());
    this.#box.addEventListener('close', () => this.#isAsking && this.#open());
  }

  #shell;
  #box = /** @type {HTMLDialogElement} */ (h('dialog.signin', { 'aria-labelledby': 'signin' }));
  #error = '';
  #about = '';
  /** What the daemon says of signing in; null while it has not answered. @type {Reply | null} */
  #asks = null;
  /** The reply that asks for a confirmation. @type {Reply | null} */
  #warned = null;
  #left_s = 0;
  #isBusy = false;
  #isAsking = false;
  /** Who has signed in last in this browser. @type {Record<string, string>} */
  #last = lastOf(kept('browser', 'who'));

  /** Ask who is there. @param {string} [about] why, if not for the first time */
  async ask(about = '') {
    this.#about = about;
    this.#error = '';
    this.#warned = null;
    this.#isBusy = false;
    this.#isAsking = true;
    const isNew = !this.#box.open;
    this.#open();
    const wasKnown = this.#asks !== null;
    if (isNew) {
      this.#begin();
    }
    this.#asks = (await this.#shell.wire.asksOf()) ?? this.#asks;
    if (this.#asks === null) {
      setTimeout(() => this.#isAsking && this.#asks === null && this.ask(about), RETRY_MS);
    }
    this.repaint();
    // Whoever types already stays where they are.
    if (!wasKnown) {
      this.#begin();
    }
  }

  #begin() {
    this.#focus(this.#last.user ? 'button.primary' : 'input');
  }

  /** Somebody is there. */
  done() {
    this.#isBusy = false;
    this.#isAsking = false;
    this.#box.close();
    this.#box.remove();
    fill(this.#box);
  }

  #open() {
    if (!this.#box.open) {
      document.body.append(this.#box);
      this.#box.showModal();
    }
    this.repaint();
  }

  /** Paint the dialog, if it is open. */
  repaint() {
    if (this.#box.open) {
      // Behind a warning the form stays, with what was typed.
      fill(this.#box, this.#warned && this.#warning(this.#warned), this.#form());
    }
  }

  /** @param {string} what */
  #focus(what) {
    /** @type {HTMLElement | null} */ (this.#box.querySelector(what))?.focus();
  }

  /** @returns {Children} */
  #form() {
    const hidden = this.#warned !== null;
    const title = h('h1', { id: hidden ? null : 'signin' }, 'TaskDash');
    const asks = this.#asks;
    if (!asks) {
      return h('div', { key: 'away' }, title, h('p', { role: 'status' }, t('signin.away')));
    }
    const how = asks.passwords ? 'byPassword' : asks.sign_up ? 'new' : 'known';
    const field = (/** @type {string} */ name, /** @type {object} */ more) =>
      lineField(t(`person.${name}`), { name, ...more });
    const password = (/** @type {boolean} */ required) =>
      field('password', { type: 'password', required, autocomplete: 'current-password' });
    const { user, name } = this.#last;
    return h(
      'form',
      { key: 'form', hidden, onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      title,
      this.#about && h('p.note', { role: 'status' }, this.#about),
      h('p', null, t(`signin.${how}`)),
      field('user', {
        required: true,
        autocomplete: 'username',
        value: user ?? '',
        ...puts(typedNumber),
      }),
      field('name', { autocomplete: 'name', value: name ?? '', ...puts(typedName) }),
      asks.passwords
        ? password(true)
        : h('details', null, h('summary', null, t('signin.password')), password(false)),
      h('p.error', { role: 'alert' }, this.#error),
      h('button.primary', { 'aria-busy': this.#isBusy ? 'true' : null }, t('signin')),
      h('div.row.center', null, languages(this.#shell)),
    );
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    if (!this.#isBusy) {
      this.#enter(read(/** @type {HTMLFormElement} */ (event.currentTarget)));
    }
  }

  /**
   * @param {Record<string, string>} given
   * @param {{ confirm?: string }} [more]
   */
  async #enter(given, more = {}) {
    this.#isBusy = true;
    this.repaint();
    try {
      const { user, name, password } = given;
      const reply = await this.#shell.wire.post('Login', { user, name, password, ...more });
      if (reply.confirm) {
        this.#warn(given, reply);
        return;
      }
      this.#last = { user: reply.user, name: reply.name };
      keep('browser', 'who', JSON.stringify(this.#last));
      if (reply.welcome) {
        toast(t('signin.welcome', { name: reply.name }), { ms: 8000 });
      }
      this.#shell.wire.connect(reply.user);
    } catch (error) {
      this.#warned = null;
      this.#error = reason(error, this.#shell.wire.known);
      this.#isBusy = false;
      this.repaint();
      this.#focus('input[name=user]');
    }
  }

  /** @type {(go: boolean) => void} */
  #decide = () => {};

  /**
   * Warn of a sign-in from another address than last time: a person may back out for a moment.
   * @param {Record<string, string>} given
   * @param {Reply} reply
   */
  #warn(given, reply) {
    this.#warned = reply;
    this.#left_s = reply.wait;
    const timer = setInterval(() => {
      this.#left_s -= 1;
      this.#left_s > 0 ? this.repaint() : this.#decide(true);
    }, 1000);
    this.#decide = (go) => {
      clearInterval(timer);
      this.#decide = () => {};
      this.#warned = null;
      this.#isBusy = false;
      go ? this.#enter(given, { confirm: reply.confirm }) : this.repaint();
    };
    this.repaint();
    this.#focus('button.primary');
  }

  /** @param {Reply} reply @returns {Children} */
  #warning({ user, last }) {
    const line = (/** @type {Reply} */ one) =>
      h('li', null, `${when(one.at)} · ${one.task}${one.why && ` · ${one.why}`}`);
    return h(
      'div',
      { key: 'warning', role: 'alertdialog', 'aria-labelledby': 'signin' },
      h('h1', { id: 'signin' }, t('warn.title')),
      h('p', null, t('warn.about', { user, address: last.address, at: when(last.at) })),
      last.did.length > 0 && [
        h('h2', null, t('warn.did')),
        h('ul.plain', null, last.did.map(line)),
      ],
      h('p', null, t('warn.wait'), ' ', h('strong', null, this.#left_s)),
      h(
        'div.row.end',
        null,
        h('button.primary', { onclick: () => this.#decide(false) }, t('warn.back')),
        h('button', { onclick: () => this.#decide(true) }, t('warn.go')),
      ),
    );
  }
}
