// The screen on a wall takes a newer page by itself: nobody presses reload there for months.

import { keep, kept } from '../core/storage.js';

const LOOK_MS = 30_000;
const ANSWER_MS = 10_000;
/** A version that was begun and did not come is not begun again for so long. */
const AGAIN_MS = 3_600_000;

/** Where the page's script is, in the first page: its path names the content of all files. */
const SCRIPT = /"static\/(\w+)\/page\.js"/;

/**
 * Look now and then whether the daemon serves another page than this one, and begin that one. It
 * asks beside the websocket: an old page may not understand what a new daemon says there.
 */
export function followNewer() {
  const mine = SCRIPT.exec(document.head.innerHTML)?.[1];
  setInterval(async () => {
    const there = await served();
    const asked = Number(kept('tab', `newer-${there}`));
    if (there && there !== mine && !(Date.now() - asked < AGAIN_MS)) {
      // What stands between may go on giving the page of before: that must be no loop.
      keep('tab', `newer-${there}`, `${Date.now()}`);
      location.reload();
    }
  }, LOOK_MS);
}

/** Give the version that the daemon serves; nothing where it does not answer, or another does. */
async function served() {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(location.pathname, { cache: 'no-cache', signal });
    return answer.ok ? SCRIPT.exec(await answer.text())?.[1] : undefined;
  } catch {
    // The network or the daemon is away: the page says so by its websocket.
    return undefined;
  }
}
