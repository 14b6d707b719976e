// Where one is: the five places, their views, and the URL of each.

import { COLUMNS } from './states.js';

/**
 * @typedef {{ view: string, about: string, filters: URLSearchParams }} Place
 *   `about` is what the view is about, such as a task's id
 */

/**
 * The views of each place; the first is what its link opens.
 * @type {Record<string, readonly string[]>}
 */
export const PLACES = {
  mine: ['mine'],
  work: ['board', 'list', 'task'],
  people: ['people', 'groups'],
  house: ['services', 'now', 'day'],
};

const VIEWS = Object.values(PLACES).flat();
/** What chooses how tasks are shown, and not which: nothing is read anew for it. */
export const SIGHT = ['column', 'folded'];
/** What only one view understands of the filters. @type {Record<string, readonly string[]>} */
const OWN = {
  list: ['state', 'by', 'sort'],
  board: ['hidden', ...SIGHT, ...COLUMNS.map(({ key }) => key)],
};
/** The views whose filters are one: going from one to the other keeps them. */
const FILTERED = ['board', 'list'];

/** Give the place that a view belongs to. @param {string} view */
export const placeOf = (view) =>
  Object.keys(PLACES).find((place) => PLACES[place].includes(view)) ?? 'mine';

/** Whether this is a screen on a wall: one view, no person, and for the hash a token. */
export const isWall = () => location.pathname.endsWith('/wall');

/** Read the part of a URL that begins with `#`. @param {string} hash @returns {Place} */
export function parsePlace(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [view = '', ...rest] = path.split('/');
  let about = rest.join('/');
  try {
    about = decodeURIComponent(about);
  } catch {
    // A stray % in a URL that somebody typed: take the text as it is.
  }
  const isKnown = VIEWS.includes(view);
  return { view: isKnown ? view : 'mine', about, filters: new URLSearchParams(query) };
}

/**
 * Write the part of a URL that begins with `#`.
 * @param {string} view
 * @param {string} [about]
 * @param {URLSearchParams | Record<string, string>} [filters]
 */
export function linkTo(view, about = '', filters = {}) {
  const kept = new URLSearchParams(filters);
  if (!FILTERED.includes(view)) {
    kept.delete('q');
  }
  for (const name of Object.keys(OWN).flatMap((other) => (other === view ? [] : OWN[other]))) {
    kept.delete(name);
  }
  const query = kept.toString();
  return `#/${view}${about && `/${encodeURIComponent(about)}`}${query && `?${query}`}`;
}

/**
 * Whether two sets of filters differ, and in nothing but how tasks are shown.
 * @param {URLSearchParams} before
 * @param {URLSearchParams} after
 */
export function differInSight(before, after) {
  const rest = (/** @type {URLSearchParams} */ all) =>
    String(new URLSearchParams([...all].filter(([name]) => !SIGHT.includes(name))));
  return String(before) !== String(after) && rest(before) === rest(after);
}
