// The views by name, each fetched when it is opened.

/** @typedef {import('../parts/page').View<any>} View */

/** @type {Record<string, () => Promise<{ view: View }>>} */
const VIEWS = {
  mine: () => import('../views/mine/view.js'),
  task: () => import('../views/task/view.js'),
  list: () => import('../views/list/view.js'),
  board: () => import('../views/board/view.js'),
  now: () => import('../views/now/view.js'),
  day: () => import('../views/day/view.js'),
  services: () => import('../views/services/view.js'),
  people: () => import('../views/people/view.js'),
};

/**
 * Fetch a view. Rejects where its file cannot be had.
 * @param {string} name
 * @returns {Promise<View>}
 */
export const fetchView = async (name) => (await VIEWS[name]()).view;

/** Fetch all views ahead: without the network they could not be opened. */
export const fetchAhead = () => Promise.allSettled(Object.values(VIEWS).map((fetch) => fetch()));
