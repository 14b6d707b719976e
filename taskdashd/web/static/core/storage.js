// What the browser keeps for the page. It may forbid that, have no room, or keep what something
// else has written there: the page then does without.

/** What stays until it is taken away, for all tabs. */
const browser = () => localStorage;
/** What is this tab's alone, over a reload. */
const tab = () => sessionStorage;
const STORES = { browser, tab };

/** @typedef {keyof typeof STORES} Store */

/** Name what this board keeps: another one, below another path of this host, has its own. */
const named = (/** @type {string} */ name) =>
  location.pathname.replace(/[^/]*$/, '').slice(1) + name;

/**
 * Give what is kept under a name; null where nothing is.
 * @param {Store} store
 * @param {string} name
 */
export function kept(store, name) {
  try {
    return STORES[store]().getItem(named(name));
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
    const key = named(name);
    text === null ? STORES[store]().removeItem(key) : STORES[store]().setItem(key, text);
  } catch (error) {
    // Forbidden, or there is no room: only the next page knows less.
    console.warn(error);
  }
}
