// Opening what a card or a row is about: by a click here; in another tab by the middle button, or
// with Ctrl, as any link.

/**
 * Give the handlers of an element that opens a URL wherever it is pressed, but for its own links
 * and buttons.
 * @param {string | null} href null where nothing is opened
 * @param {import('./page').Page<any>} page
 */
export function opens(href, page) {
  if (href === null) {
    return {};
  }
  /** @param {MouseEvent} event */
  const press = (event) => {
    const isOwn = /** @type {Element} */ (event.target).closest('a, button, input, summary');
    if (isOwn || event.button > 1 || String(getSelection())) {
      return;
    }
    if (event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey) {
      window.open(href, '_blank', 'noopener');
    } else {
      page.go(href);
    }
  };
  // The middle button would begin to scroll.
  const hold = (/** @type {MouseEvent} */ event) => event.button === 1 && event.preventDefault();
  return { onclick: press, onauxclick: press, onmousedown: hold };
}
