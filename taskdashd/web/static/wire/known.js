// What the page knows, message by message: pure.

/**
 * @typedef {import('./types').Known} Known
 * @typedef {import('./types').Message} Message
 * @typedef {import('./types').News} News
 * @typedef {import('./types').Figures} Figures
 */

const DAY_S = 86400;

/** @type {Known} */
export const NOBODY = {
  me: null,
  people: new Map(),
  names: new Map(),
  admins: [],
  services: [],
  figures: null,
  waiting: null,
  rev: null,
  sight: '',
  skew_ms: 0,
};

/**
 * Take in a message.
 * @param {Known} known
 * @param {Message} message
 * @param {number} at the browser's clock as it came, in milliseconds
 * @returns {[Known, News]}
 */
export function took(known, message, at) {
  /** @type {{ -readonly [K in keyof Known]: Known[K] }} */
  const next = { ...(isOther(known, message) ? NOBODY : known) };
  /** @type {News} */
  const news = {};
  if (message.me) {
    // What waits for one person is nothing to the next.
    next.waiting = message.me.user === known.me?.user ? known.waiting : null;
    next.me = message.me;
    next.admins = message.admins ?? [];
    if (message.me.sight !== known.sight) {
      // Figures are counted of what one sees: views ask for the new ones as they read afresh.
      next.figures = null;
    }
    next.sight = message.me.sight;
    next.skew_ms = Date.parse(message.now ?? '') - at || 0;
    next.rev ??= message.rev ?? null;
  }
  // A greeting carries all people and services, as does what a page is told that has caught up; a
  // later message only those that have changed.
  const whole = Boolean(message.me || message.whole);
  if (message.people) {
    const people = new Map(whole ? [] : known.people);
    for (const one of message.people) {
      one.name === null ? people.delete(one.user) : people.set(one.user, one);
    }
    next.people = people;
    news.people = true;
  }
  if (message.services || message.me) {
    const services = new Map(whole ? [] : known.services.map((one) => [one.url, one]));
    for (const one of message.services ?? []) {
      one.state === null ? services.delete(one.url) : services.set(one.url, one);
    }
    next.services = [...services.values()];
    news.services = true;
  }
  if (message.figures) {
    next.figures = merged(next.figures, message.figures);
    news.figures = true;
  }
  // What waits is read after each greeting anyway.
  if (message.unseen !== undefined && !message.me) {
    news.unseen = true;
  }
  if (message.events?.length) {
    news.events = message.events;
  }
  if (message.afresh) {
    news.afresh = true;
  }
  if ((message.events || message.afresh) && message.rev !== undefined) {
    next.rev = message.rev;
  }
  return [next, news];
}

/**
 * Whether a greeting is for somebody else than who was there.
 * @param {Known} known
 * @param {Message} message
 */
const isOther = ({ me }, message) => Boolean(me && message.me && me.user !== message.me.user);

/**
 * Join the newest figures to those of the day before them.
 * @param {Figures | null} old
 * @param {Figures} news
 * @returns {Figures}
 */
function merged(old, news) {
  const first = news.day[0]?.at ?? 0;
  const day = old?.day ?? [];
  const kept = day.filter((one) => one.at < first && one.at > first - DAY_S - news.bucket);
  return { ...news, day: [...kept, ...news.day] };
}

/** Give the name of a person's number. @param {Known} known @param {string} user */
export const nameOf = (known, user) =>
  known.people.get(user)?.name ?? known.names.get(user) ?? user;

/**
 * Give the name by which the daemon finds somebody: of people whom one does not see it finds none.
 * @param {Known} known
 * @param {string} user
 */
export const foundName = (known, user) => known.people.get(user)?.name ?? user;

/**
 * Take in what those are called whom tasks name.
 * @param {Known} known
 * @param {Record<string, string>} names
 * @returns {Known}
 */
export const named = (known, names) => ({
  ...known,
  // Another map of people, though they are the same: by it views see that names have changed.
  people: new Map(known.people),
  names: new Map([...known.names, ...Object.entries(names)]),
});

/** Give the daemon's time, in milliseconds. @param {Known} known */
export const daemonTime = (known) => Date.now() + known.skew_ms;
