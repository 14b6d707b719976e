// A press: from the moment somebody presses until they have let go, nothing is painted.
//
// A click is only told to an element that was under the pointer both times. Where a list moves in
// between, it would come to nothing, or open what is not meant.

/** What can be pressed. A scrollbar is not: while it is moved, rows must be painted. */
const PRESSED = 'a, button, summary, [data-id]';
const HELD_MS_MAX = 1_000;
/** A finger's click comes a moment after it was lifted. */
const CLICK_MS = 100;

/** @type {{ timer: number, calls: Set<() => unknown> }} */
const press = { timer: 0, calls: new Set() };

/** Call a function, but not while something is pressed. @param {() => unknown} call */
export function afterPress(call) {
  press.timer ? press.calls.add(call) : call();
}

/**
 * Give what does one thing at a time: pressed twice, a button opens what it opens once.
 * @returns {(begin: () => Promise<unknown>) => Promise<void>}
 */
export function oneAtATime() {
  let isOn = false;
  return async (begin) => {
    if (isOn) {
      return;
    }
    isOn = true;
    try {
      await begin();
    } finally {
      isOn = false;
    }
  };
}

/** @param {number} ms */
function letGo(ms) {
  clearTimeout(press.timer);
  press.timer = setTimeout(() => {
    const calls = [...press.calls];
    press.timer = 0;
    press.calls.clear();
    calls.forEach((call) => call());
  }, ms);
}

/** Follow presses, from the beginning on. */
export function followPresses() {
  const how = { capture: true, passive: true };
  const lifted = (/** @type {number} */ ms) => () => press.timer && letGo(ms);
  addEventListener(
    'pointerdown',
    ({ target }) => target instanceof Element && target.closest(PRESSED) && letGo(HELD_MS_MAX),
    how,
  );
  addEventListener('pointerup', lifted(CLICK_MS), how);
  // The click's own listeners come first.
  addEventListener('click', lifted(0), how);
  addEventListener('pointercancel', lifted(0), how);
}
