// When things are called: once for many calls, before the next frame, or a while after the last.

/**
 * Call a function before the next frame, once for many calls; never once `signal` is aborted.
 * @param {() => void} call
 * @param {AbortSignal} [signal]
 */
export function onFrame(call, signal) {
  let isAsked = false;
  return () => {
    if (isAsked || signal?.aborted) {
      return;
    }
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      if (!signal?.aborted) {
        call();
      }
    });
  };
}

/**
 * Call a function once, a while after the last of many calls.
 * @template {unknown[]} A
 * @param {number} ms
 * @param {(...args: A) => void} call
 * @param {AbortSignal} [signal]
 * @returns {(...args: A) => void}
 */
export function later(ms, call, signal) {
  let timer = 0;
  signal?.addEventListener('abort', () => clearTimeout(timer));
  return (...args) => {
    clearTimeout(timer);
    if (!signal?.aborted) {
      timer = setTimeout(() => call(...args), ms);
    }
  };
}
