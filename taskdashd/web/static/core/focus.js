// Where the focus goes when what has it leaves the page: never to nowhere, where no key means
// anything. Dialogs and toasts lend the focus: it goes back to where it was before them.

const LENT = 'dialog, #toasts';
const PRESSED = 'a[href], button, summary, [tabindex="0"]';
const FOCUSABLE = `${PRESSED}, input, select, textarea`;

/**
 * Where somebody was last, outside of what lends the focus; `beside` is what stood next to it when
 * it was taken away, and what that stood in.
 * @typedef {{ node: Element, id: string, beside: Element[] }} Place
 */

/** @type {Place | null} */
let home = null;
/** Of what thing the focus goes to the element, as soon as it is painted. */
let sought = '';

/** Keep the focus on the page from now on. @param {HTMLElement} main what has it at the worst */
export function keepFocus(main) {
  document.addEventListener('focusin', ({ target }) => {
    const node = /** @type {HTMLElement} */ (target);
    if (!node.closest(LENT)) {
      home = { node, id: idOf(node), beside: [] };
    }
    if (node !== main) {
      sought = '';
    }
  });
  document.addEventListener('focusout', ({ target, relatedTarget }) =>
    // What is taken away from the page is gone only once the script that does it has run.
    queueMicrotask(() => {
      const node = /** @type {HTMLElement} */ (target);
      const isLost = !relatedTarget && isNowhere() && node.isConnected && !node.closest(LENT);
      if (isLost && !node.checkVisibility()) {
        focusOn(outwards(node));
      } else if (isLost) {
        // Somebody has clicked beside it: that is where they want to be.
        home = null;
      }
    }),
  );
  const observer = new MutationObserver((records) => {
    if (home && !home.node.isConnected && home.beside.length === 0) {
      home.beside = besideOf(home.node, records);
    }
    if (sought && (isNowhere() || document.activeElement === main)) {
      focusOn([elementOf(sought)]);
    }
    const hasLent = records.some(({ removedNodes }) => [...removedNodes].some(isDialog));
    if ((home || hasLent) && isNowhere() && !document.querySelector('dialog[open]')) {
      bringHome(home, main);
    }
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

const isNowhere = () => document.activeElement === null || document.activeElement === document.body;

/** @param {Node} node */
const isDialog = (node) => node.nodeName === 'DIALOG';

/**
 * Bring the focus to what a thing is painted as, as soon as it is, unless somebody goes elsewhere.
 * @param {string} id
 */
export function seekFocus(id) {
  sought = id;
}

/** Give what brings the focus back to where it is now. @returns {() => void} */
export function lentFocus() {
  const place = home;
  return () => bringHome(place, /** @type {HTMLElement} */ (document.getElementById('main')));
}

/** @param {Element} node */
const idOf = (node) =>
  /** @type {HTMLElement | null} */ (node.closest('[data-id]'))?.dataset.id ?? '';

/** @param {string} id */
const elementOf = (id) =>
  id ? document.querySelector(`#main [data-id="${CSS.escape(id)}"]`) : null;

/**
 * Give what stood next to a node that was taken away, and then what that stood in, outwards.
 * @param {Node} node
 * @param {readonly MutationRecord[]} records
 */
function besideOf(node, records) {
  const record = records.find(({ removedNodes }) =>
    [...removedNodes].some((one) => one.contains(node)),
  );
  return record
    ? [
        ...elementFrom(record.nextSibling, 'nextSibling'),
        ...elementFrom(record.previousSibling, 'previousSibling'),
        ...outwards(/** @type {Element} */ (record.target)),
      ]
    : [];
}

/**
 * @param {Node | null} node
 * @param {'nextSibling' | 'previousSibling'} way
 * @returns {Element[]}
 */
function elementFrom(node, way) {
  let one = node;
  while (one && !(one instanceof Element && one.isConnected)) {
    one = one[way];
  }
  return one ? [one] : [];
}

/**
 * Give a node and what it stands in, but not the body: the first that is pressed there leads past
 * the bar, and would lie over it.
 * @param {Element | null} node
 * @returns {Element[]}
 */
const outwards = (node) =>
  node && node !== document.body ? [node, ...outwards(node.parentElement)] : [];

/** @param {Place | null} place @param {HTMLElement} main */
function bringHome(place, main) {
  const { node, id, beside } = place ?? { node: main, id: '', beside: [] };
  focusOn([node.isConnected ? node : null, elementOf(id), ...beside, main]);
}

/**
 * Focus the first of some elements that can have it, or what can in one of them.
 * @param {(Element | null)[]} elements
 */
function focusOn(elements) {
  for (const element of elements) {
    const one = /** @type {HTMLElement | null} */ (
      element?.matches(FOCUSABLE) ? element : firstIn(element)
    );
    one?.focus({ preventScroll: true });
    if (one && one === document.activeElement) {
      // For whoever goes by keys: it may have come out of sight, or under what lies over the list.
      one.matches(':focus-visible') && one.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      return;
    }
  }
}

/** Give what is pressed, but no field: there, the next arrow would change it. */
const firstIn = (/** @type {Element | null} */ node) =>
  [...(node?.querySelectorAll(PRESSED) ?? [])].find((one) => one.checkVisibility()) ?? null;
