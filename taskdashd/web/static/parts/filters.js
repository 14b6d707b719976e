// The row of filters of board and list. It is painted in place: whoever types in it goes on typing.

import { h } from '../core/elements.js';
import { FIELDS, LABEL_CHARACTERS_MAX, OF_PEOPLE, isShort } from '../rules/filters.js';
import { SIGHT } from '../rules/places.js';
import { nameOf } from '../wire/known.js';
import { shortcut } from './shortcuts.js';
import { collate, t } from './words.js';

/**
 * @typedef {import('./page').Page<any>} Page
 * @typedef {import('../core/types').Children} Children
 */

const PAUSE_MS = 150;

/** @type {{ timer: number }} what waits for a pause in typing */
const typing = { timer: 0 };

/**
 * Make the row of filters.
 * @param {Page} page
 * @param {Children} [more] what a view has besides
 */
export function filterRow(page, more = null) {
  const { filters } = page.place;
  const { me } = page.known;
  const toggle = (/** @type {string} */ value, /** @type {string} */ label) => {
    const isOn = filters.get('user') === value;
    const press = () => page.refine({ user: isOn ? '' : value });
    const props = { key: value, 'aria-pressed': String(isOn), onclick: press };
    return h('button.chip', props, label);
  };
  const set = [...filters.keys()].filter((one) => !SIGHT.includes(one));
  const clear = () => page.refine(Object.fromEntries(set.map((one) => [one, ''])));
  return h(
    'div.filters',
    { key: 'filters', role: 'search' },
    search(page),
    me?.user && toggle('me', t('filter.mine')),
    toggle('nobody', t('filter.nobodys')),
    groups(page),
    labelled(page),
    more,
    others(page),
    set.length > 0 && h('button.link', { key: 'clear', onclick: clear }, t('filter.clear')),
    h(
      'button.link',
      { key: 'saved', 'aria-haspopup': 'dialog', onclick: () => page.menu('saved') },
      t('saved'),
    ),
    gone(page),
  );
}

/**
 * Give the names of the groups that one knows: one's own, and those of the people whom one sees.
 * @param {import('../wire/types').Known} known
 */
export const groupsKnown = ({ me, people }) =>
  new Set([...(me?.groups ?? []), ...[...people.values()].flatMap((one) => one.groups)]);

/** Say where a group has nobody in it: it may have come into another. @param {Page} page */
function gone(page) {
  const group = page.place.filters.get('group');
  const isKnown = !group || groupsKnown(page.known).has(group);
  const press = () => page.refine({ group: '' });
  return (
    !isKnown &&
    page.known.people.size > 0 &&
    h(
      'p.gone',
      { key: 'gone', role: 'status' },
      t('filter.gone', { group }),
      ' ',
      h('button.link', { onclick: press }, t('filter.groups')),
    )
  );
}

/** @param {Page} page */
function search(page) {
  const seek = (/** @type {string} */ text) => {
    clearTimeout(typing.timer);
    if (text !== (page.place.filters.get('q') ?? '')) {
      page.refine({ q: text }, { typing: true });
    }
  };
  const typed = (/** @type {any} */ { target, isComposing }) => {
    clearTimeout(typing.timer);
    // While an input method composes, what stands there is not yet what is meant.
    if (!isComposing) {
      typing.timer = setTimeout(() => seek(target.value), PAUSE_MS);
    }
  };
  return h('input', {
    key: 'search',
    type: 'search',
    placeholder: shortcut(`${t('search')}  /`, t('search')),
    'aria-label': t('search'),
    value: page.place.filters.get('q') ?? '',
    oninput: typed,
    oncompositionend: typed,
    // Whoever goes on to something else must not leave the last letters behind.
    onchange: (/** @type {any} */ { target }) => seek(target.value),
  });
}

/** @param {Page} page */
function groups(page) {
  const chosen = page.place.filters.get('group') ?? '';
  const names = groupsKnown(page.known);
  if (chosen) {
    names.add(chosen);
  }
  const change = (/** @type {any} */ event) => page.refine({ group: event.target.value });
  return (
    names.size > 0 &&
    choose(
      'groups',
      t('field.group_id'),
      t('filter.groups'),
      chosen,
      change,
      [...names].sort(collate).map((one) => [one, one]),
    )
  );
}

/** Make the filter by a label, which is typed. @param {Page} page */
function labelled(page) {
  const said = t('filter.label');
  return h('input.short', {
    key: 'label',
    placeholder: said,
    'aria-label': said,
    maxlength: LABEL_CHARACTERS_MAX,
    value: page.place.filters.get('label') ?? '',
    onchange: (/** @type {any} */ { target }) => page.refine({ label: target.value.trim() }),
  });
}

/**
 * Make a filter that is chosen from some values.
 * @param {string} key
 * @param {string} label
 * @param {string} none what stands there while nothing is chosen
 * @param {string} chosen
 * @param {(event: Event) => void} onchange
 * @param {[value: string, text: string][]} options
 */
export const choose = (key, label, none, chosen, onchange, options) =>
  h(
    'select',
    { key, 'aria-label': label, value: chosen, onchange },
    h('option', { value: '' }, none),
    options.map(([value, text]) => h('option', { key: value, value }, text)),
  );

/** Filters that a link has set, such as a parent, have no control: each is a chip that ends it. */
function others(/** @type {Page} */ page) {
  const { filters } = page.place;
  const names = Object.keys(FIELDS).filter((name) => {
    const value = filters.get(name) ?? '';
    return name !== 'group' && name !== 'label' && value && !isShort(name, value);
  });
  return names.map((name) => {
    const value = filters.get(name) ?? '';
    const word = name === 'answer' ? t(`answer.${value}`) : value;
    const said = OF_PEOPLE.includes(name) ? nameOf(page.known, value) : word;
    const press = () => page.refine({ [name]: '' });
    return h(
      'button.chip',
      { key: name, 'aria-pressed': 'true', title: t('filter.clear'), onclick: press },
      `${t(`field.${FIELDS[name]}`)}: ${said} ×`,
    );
  });
}
