// Opening what a card or a row is about: by a click here; in another tab by the middle button. With
// Ctrl or Shift a click selects it, where a view has tasks to select; its link is one as any.

/**
 * Give the handlers of an element that opens a URL wherever it is pressed, but for its own links
 * and buttons.
 * @param {string | null} href null where nothing is opened
 * @param {import('./page').Page<any>} page
 * @param {string} id the task's
 */
export function opens(href, page, id) {
  if (href === null) {
    return {};
  }
  /** @param {MouseEvent} event */
  const press = (event) => {
    const isOwn = /** @type {Element} */ (event.target).closest('a, button, input, summary');
    if (isOwn || event.button > 1 || String(getSelection())) {
      return;
    }
    const isChord = event.ctrlKey || event.metaKey || event.shiftKey;
    if (isChord && event.button === 0 && page.picking.pick(id, event.shiftKey)) {
      return;
    }
    if (event.button === 1 || isChord) {
      window.open(href, '_blank', 'noopener');
    } else {
      page.go(href);
    }
  };
  // The middle button would begin to scroll, and Shift select the text of all cards between.
  const hold = (/** @type {MouseEvent} */ event) =>
    (event.button === 1 || event.shiftKey) && event.preventDefault();
  return { onclick: press, onauxclick: press, onmousedown: hold };
}
