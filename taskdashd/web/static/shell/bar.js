// The bar: the five places, and who is signed in.

import { dialog } from '../core/dialogs.js';
import { fill, h } from '../core/elements.js';
import { keep } from '../core/storage.js';
import { face } from '../parts/face.js';
import { hasShortcuts, shortcut, useShortcuts } from '../parts/shortcuts.js';
import { LANGUAGES, language, t } from '../parts/words.js';
import { KEYS } from '../rules/acts.js';
import { PLACES, isWall, linkTo, placeOf } from '../rules/places.js';
import { nameOf } from '../wire/known.js';

/** @typedef {import('./shell').Shell} Shell */

/** @param {Shell} shell */
export function paintBar(shell) {
  const bar = /** @type {HTMLElement} */ (document.getElementById('bar'));
  const { known } = shell.wire;
  const { view, filters } = shell.place;
  const here = placeOf(view);
  bar.hidden = known.me === null || isWall();
  const place = (/** @type {string} */ name, /** @type {number} */ n) => {
    const isHere = name === here ? 'true' : null;
    const title = shortcut(`${t(`place.${name}`)} (${n + 1})`, null);
    const href = linkTo(PLACES[name][0]);
    return h('a', { key: name, href, 'aria-current': isHere, title }, t(`place.${name}`));
  };
  fill(
    bar,
    h('nav', { 'aria-label': t('nav') }, Object.keys(PLACES).map(place)),
    h(
      'div.tools',
      null,
      h(
        'button.icon',
        {
          onclick: () => help(shell),
          title: shortcut(`${t('help')} (?)`, t('help')),
          'aria-label': t('help'),
        },
        '?',
      ),
      languages(shell),
      h('button.icon', { onclick: dim, title: t('theme'), 'aria-label': t('theme') }, '◐'),
      known.me?.user && account(shell, known.me.user),
    ),
  );
  const tabs = /** @type {HTMLElement} */ (document.getElementById('tabs'));
  const shown = PLACES[here].filter((name) => name !== 'task');
  tabs.hidden = shown.length < 2 || bar.hidden;
  fill(
    tabs,
    shown.map((name) => {
      const href = linkTo(name, '', filters);
      const isHere = name === view ? 'page' : null;
      return h('a', { key: name, href, 'aria-current': isHere }, t(`view.${name}`));
    }),
  );
}

/** @param {Shell} shell */
export function languages(shell) {
  const change = (/** @type {any} */ event) => {
    keep('browser', 'language', event.target.value);
    shell.speak(event.target.value);
  };
  const options = Object.entries(LANGUAGES).map(([name, label]) =>
    h('option', { value: name, selected: name === language(), lang: name }, label),
  );
  return h('select.language', { 'aria-label': t('language'), onchange: change }, options);
}

/** @param {Shell} shell @param {string} user */
function account(shell, user) {
  const name = nameOf(shell.wire.known, user);
  const out = async () => {
    const check = h('input', { type: 'checkbox', name: 'everywhere' });
    const about = h('p', null, t('signout.about', { name }));
    const body = h(
      'div',
      null,
      about,
      h('label.check', null, check, ` ${t('signout.everywhere')}`),
    );
    const given = await dialog(t('signout'), body, { confirm: t('signout'), cancel: t('cancel') });
    if (given) {
      shell.signOut(given.everywhere === 'on');
    }
  };
  return h(
    'span.me',
    null,
    face(shell.wire.known, user),
    h('span.name', null, name),
    h('button.link', { onclick: out }, t('signout')),
  );
}

const theme = () => document.documentElement.dataset.theme;

function dim() {
  const isDark = theme() ? theme() === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const wanted = isDark ? 'light' : 'dark';
  keep('browser', 'theme', wanted);
  document.documentElement.dataset.theme = wanted;
}

/** Show what the keys do, and what turns single ones off. @param {Shell} shell */
export function help(shell) {
  const rows = [
    [`1 – ${Object.keys(PLACES).length}`, t('keys.views')],
    ['/', t('keys.search')],
    ['← ↑ ↓ →', t('keys.move')],
    ['Enter', t('keys.open')],
    ['Esc', t('keys.close')],
    ['v', t('keys.pick')],
    ...Object.entries(KEYS).map(([name, key]) => [key, t(`act.${name}`)]),
    ['y', t('keys.copy')],
    ['z', t('undo')],
    ['?', t('help')],
  ];
  const row = (/** @type {string[]} */ [key, about]) => [
    h('dt', null, h('kbd', null, key)),
    h('dd', null, about),
  ];
  const change = (/** @type {any} */ { target }) => {
    useShortcuts(target.checked);
    shell.repaintBar();
    shell.opened?.renew();
  };
  const single = { type: 'checkbox', checked: hasShortcuts(), onchange: change };
  const body = [
    h('dl.keys', null, rows.map(row)),
    h('label.check', null, h('input', single), ` ${t('keys.single')}`),
  ];
  dialog(t('help'), body, { confirm: t('close') });
}
