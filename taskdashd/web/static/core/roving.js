// One stop of the Tab key for each list, however long it is: the arrows move within it. Of the item
// that has the focus, all that can be pressed is a stop, so that Tab goes on to its buttons.

const STOPS = ':is(a[href], button, input, select, textarea, summary)';
const STEPS = /** @type {Record<string, number>} */ ({
  ArrowDown: 1,
  ArrowUp: -1,
  Home: -Infinity,
  End: Infinity,
});

/**
 * Follow the focus through lists.
 * @param {string} lists the selector of lists whose children are items
 */
export function followLists(lists) {
  addEventListener('focusin', ({ target }) => {
    const { list, item } = found(target, lists);
    if (list && item) {
      enter(list, item);
    }
  });
  addEventListener('focusout', ({ target, relatedTarget }) => {
    const { item } = found(target, lists);
    if (item && !item.contains(/** @type {Node | null} */ (relatedTarget))) {
      [...item.querySelectorAll('[tabindex="0"]')].slice(1).forEach(close);
    }
  });
}

/**
 * Leave each list one stop, once it was painted.
 * @param {Element} root
 * @param {string} lists
 */
export function rove(root, lists) {
  for (const list of root.querySelectorAll(lists)) {
    list.querySelectorAll(`${STOPS}:not([tabindex])`).forEach(close);
    const { item } = found(list.querySelector(':focus'), lists);
    if (item) {
      enter(list, item);
    } else if (!list.querySelector('[tabindex="0"]')) {
      list.querySelector(`${STOPS}[tabindex]`)?.setAttribute('tabindex', '0');
    }
  }
}

/**
 * Move the focus to another item of its list.
 * @param {KeyboardEvent} event
 * @param {string} lists
 * @returns {boolean} whether the key means that
 */
export function stepInList({ key, target }, lists) {
  const { list, item } = found(target, lists);
  if (!list || !item || !(key in STEPS)) {
    return false;
  }
  const stops = [...list.children].flatMap((one) => one.querySelector(`${STOPS}[tabindex]`) ?? []);
  const here = stops.findIndex((one) => item.contains(one));
  const next = stops[Math.min(stops.length - 1, Math.max(0, here + STEPS[key]))];
  /** @type {HTMLElement | undefined} */ (next)?.focus();
  return true;
}

/** @param {EventTarget | null} target @param {string} lists */
function found(target, lists) {
  const node = target instanceof Element ? target : null;
  const list = node?.closest(lists) ?? null;
  let item = list === node ? null : node;
  while (item && item.parentElement !== list) {
    item = item.parentElement;
  }
  return { list, item };
}

/** @param {Element} list @param {Element} item */
function enter(list, item) {
  for (const one of list.querySelectorAll('[tabindex="0"]')) {
    item.contains(one) || close(one);
  }
  item.querySelectorAll('[tabindex="-1"]').forEach((one) => one.setAttribute('tabindex', '0'));
}

/** @param {Element} one */
const close = (one) => one.setAttribute('tabindex', '-1');
