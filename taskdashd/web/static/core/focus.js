// Where the focus goes when what has it leaves the page: never to nowhere, where no key means
// anything. Dialogs and toasts lend the focus: it goes back to where it was before them.

const LENT = 'dialog, #toasts';
const FOCUSABLE = 'a[href], button, input, select, textarea, [tabindex]:not([tabindex="-1"])';

/**
 * Where somebody was last, outside of what lends the focus; `beside` is what stood next to it when
 * it was taken away.
 * @type {{ node: Element, id: string, beside: Element | null } | null}
 */
let home = null;

/** Keep the focus on the page from now on. @param {HTMLElement} main what has it at the worst */
export function keepFocus(main) {
  document.addEventListener('focusin', ({ target }) => {
    const node = /** @type {HTMLElement} */ (target);
    if (!node.closest(LENT)) {
      home = { node, id: idOf(node), beside: null };
    }
  });
  document.addEventListener('focusout', ({ target, relatedTarget }) =>
    // What is taken away from the page is gone only once the script that does it has run.
    queueMicrotask(() => {
      const node = /** @type {HTMLElement} */ (target);
      if (!relatedTarget && isNowhere() && node.isConnected && !node.closest(LENT)) {
        // Somebody has clicked beside it: that is where they want to be.
        home = null;
      }
    }),
  );
  const observer = new MutationObserver((records) => {
    if (home && !home.node.isConnected) {
      home.beside ??= besideOf(home.node, records);
    }
    if (home && isNowhere() && !document.querySelector('dialog[open]')) {
      bringHome(main);
    }
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

const isNowhere = () => document.activeElement === null || document.activeElement === document.body;

/** @param {Element} node */
const idOf = (node) =>
  /** @type {HTMLElement | null} */ (node.closest('[data-id]'))?.dataset.id ?? '';

/**
 * Give what stood next to a node that was taken away.
 * @param {Node} node
 * @param {readonly MutationRecord[]} records
 */
function besideOf(node, records) {
  const record = records.find(({ removedNodes }) =>
    [...removedNodes].some((one) => one.contains(node)),
  );
  return (
    elementFrom(record?.nextSibling ?? null, 'nextSibling') ??
    elementFrom(record?.previousSibling ?? null, 'previousSibling')
  );
}

/**
 * @param {Node | null} node
 * @param {'nextSibling' | 'previousSibling'} way
 * @returns {Element | null}
 */
function elementFrom(node, way) {
  let one = node;
  while (one && !(one instanceof Element && one.isConnected)) {
    one = one[way];
  }
  return one;
}

/** @param {HTMLElement} main */
function bringHome(main) {
  const { node, id, beside } = /** @type {NonNullable<typeof home>} */ (home);
  const same = id ? document.querySelector(`[data-id="${CSS.escape(id)}"]`) : null;
  for (const one of [node.isConnected ? node : null, firstIn(same), firstIn(beside)]) {
    /** @type {HTMLElement | null} */ (one)?.focus({ preventScroll: true });
    if (!isNowhere()) {
      return;
    }
  }
  main.focus({ preventScroll: true });
}

/** @param {Element | null} node */
const firstIn = (node) =>
  node?.matches(FOCUSABLE) ? node : (node?.querySelector(FOCUSABLE) ?? null);
