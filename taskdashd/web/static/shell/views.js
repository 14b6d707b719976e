// The views and menus by name, each fetched when it is opened.

/**
 * @typedef {import('../parts/page').View<any>} View
 * @typedef {import('../parts/page').Menu} Menu
 */

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
  groups: () => import('../views/groups/view.js'),
};

/** @type {Record<string, () => Promise<{ menu: Menu }>>} */
const MENUS = {
  saved: () => import('../menus/saved/menu.js'),
  picked: () => import('../menus/picked/menu.js'),
};

/** A page that has just begun does not begin anew: what has failed would fail again. */
const YOUNG_MS = 5_000;

/**
 * Fetch a view. Rejects where its file cannot be had.
 * @param {string} name
 * @returns {Promise<View>}
 */
export const fetchView = async (name) => (await fetched(VIEWS[name])).view;

/**
 * Fetch a menu. Rejects where its file cannot be had.
 * @param {string} name
 * @returns {Promise<Menu>}
 */
export const fetchMenu = async (name) => (await fetched(MENUS[name])).menu;

/** @template T @param {() => Promise<T>} fetchIt */
async function fetched(fetchIt) {
  try {
    return await fetchIt();
  } catch (error) {
    await beginAnew();
    throw error;
  }
}

/**
 * Begin the page anew, at the URL that is wanted, where a file of it cannot be had and yet the
 * daemon answers: after an upgrade the files of the page before are gone, and some browsers
 * remember of a module that it could not be had.
 */
export async function beginAnew() {
  const asked = { method: 'HEAD', signal: AbortSignal.timeout(YOUNG_MS) };
  const answer = await fetch('./', asked).catch(() => null);
  if (answer?.ok && performance.now() > YOUNG_MS) {
    location.reload();
    // Nothing more is said or done on this page.
    await new Promise(() => {});
  }
}
