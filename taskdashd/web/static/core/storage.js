// What the browser keeps for the page. It may forbid that, have no room, or keep what something
// else has written there: the page then does without.

/** What stays until it is taken away, for all tabs. */
const browser = () => localStorage;
/** What is this tab's alone, over a reload. */
const tab = () => sessionStorage;
const STORES = { browser, tab };

/** @typedef {keyof typeof STORES} Store */

/**
 * Give what is kept under a name; null where nothing is.
 * @param {Store} store
 * @param {string} name
 */
export function kept(store, name) {
  try {
    return STORES[store]().getItem(name);
  } catch {
    // Forbidden: even to name the storage throws then.
    return null;
  }
}

/**
 * Keep a text under a name; null takes it away.
 * @param {Store} store
 * @param {string} name
 * @param {string | null} text
 */
export function keep(store, name, text) {
  try {
    text === null ? STORES[store]().removeItem(name) : STORES[store]().setItem(name, text);
  } catch (error) {
    // Forbidden, or there is no room: only the next page knows less.
    console.warn(error);
  }
}
