// The page's own words, in the reader's language. The text of tasks is shown as it was written.

/** @typedef {{ words: Record<string, string>, language: string }} Spoken */

/** @type {Spoken & { relative: Intl.RelativeTimeFormat }} */
const now = { words: {}, language: 'en', relative: new Intl.RelativeTimeFormat('en') };

/** @type {Record<string, string>} */
export const LANGUAGES = { en: 'English', zh: '中文' };

/** Whether words are there. */
export const isReady = () => Object.keys(now.words).length > 0;

/** Give the language that is shown. */
export const language = () => now.language;

/** Give the language that the reader has chosen, or that their browser speaks. */
export function chosenLanguage() {
  const kept = localStorage.getItem('language') ?? '';
  if (kept in LANGUAGES) {
    return kept;
  }
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/**
 * Speak a language from now on. Rejects where its words cannot be fetched.
 * @param {string} name
 */
export async function speak(name) {
  // Where the words are served, beside the joined modules.
  const url = new URL(`./words/${name}.json`, import.meta.url);
  setWords(name, await (await fetch(url)).json());
}

/** @param {string} name @param {Record<string, string>} words */
export function setWords(name, words) {
  const tag = name === 'zh' ? 'zh-CN' : 'en';
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'short' });
  Object.assign(now, { words, language: name, relative });
  document.documentElement.lang = tag;
}

/** Whether there is a word for a key. @param {string} key */
export const has = (key) => key in now.words;

/**
 * Give a word or a sentence; {name} in it is replaced.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values) {
  const text = now.words[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole)) : text;
}

/** @type {readonly [Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/**
 * Say how long ago a time is, or how far ahead.
 * @param {string | number} stamp RFC 3339, or milliseconds
 * @param {number} at the present time, in milliseconds
 */
export function ago(stamp, at) {
  const then = typeof stamp === 'number' ? stamp : Date.parse(stamp);
  if (!then) {
    return '';
  }
  const seconds = Math.round((then - at) / 1000);
  if (Math.abs(seconds) < 5) {
    return t('time.now');
  }
  const [unit, size] = UNITS.find(([, one]) => Math.abs(seconds) >= one) ?? UNITS[3];
  return now.relative.format(Math.trunc(seconds / size), unit);
}

/** Say a length of time in seconds. @param {number | null | undefined} seconds */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return '–';
  }
  if (seconds < 60) {
    return t('span.s', { n: Math.round(seconds) });
  }
  if (seconds < 3600) {
    return t('span.m', { n: Math.round(seconds / 60) });
  }
  if (seconds < 172800) {
    return t('span.h', { n: (seconds / 3600).toFixed(seconds < 36000 ? 1 : 0) });
  }
  return t('span.d', { n: (seconds / 86400).toFixed(1) });
}

/** Say a time, with its date. @param {string | number} stamp */
export function when(stamp) {
  const at = new Date(stamp);
  const how = /** @type {const} */ ({ dateStyle: 'medium', timeStyle: 'medium' });
  return Number.isNaN(at.getTime()) ? '' : at.toLocaleString(document.documentElement.lang, how);
}

/** Say a time of day, to the second. @param {string | number} stamp */
export function clock(stamp) {
  const two = /** @type {const} */ ('2-digit');
  const how = /** @type {const} */ ({ hour: two, minute: two, second: two, hourCycle: 'h23' });
  return new Date(stamp).toLocaleTimeString(document.documentElement.lang, how);
}

/** Say a number. @param {number} n */
export const number = (n) => n.toLocaleString(document.documentElement.lang);

/** Order texts as the reader's language does. @param {string} one @param {string} other */
export const collate = (one, other) => one.localeCompare(other, document.documentElement.lang);
