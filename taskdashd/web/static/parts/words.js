// The page's own words, in the reader's language. The text of tasks is shown as it was written.

import { kept } from '../core/storage.js';

/** @typedef {{ words: Record<string, string>, language: string }} Spoken */

/**
 * How a language writes times and numbers: made once, since making one takes longer than using it.
 * @param {string} tag
 */
const writers = (tag) => ({
  relative: new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'short' }),
  times: new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'medium' }),
  numbers: new Intl.NumberFormat(tag),
  names: new Intl.Collator(tag),
});

/** @type {Spoken & ReturnType<typeof writers>} */
const now = { words: {}, language: 'en', ...writers('en') };

/** @type {Record<string, string>} */
export const LANGUAGES = { en: 'English', zh: '中文' };

/** Whether words are there. */
export const isReady = () => Object.keys(now.words).length > 0;

/** Give the language that is shown. */
export const language = () => now.language;

/** Give the language that the reader has chosen, or that their browser speaks. */
export function chosenLanguage() {
  const chosen = kept('browser', 'language') ?? '';
  if (Object.hasOwn(LANGUAGES, chosen)) {
    return chosen;
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
  Object.assign(now, { words, language: name, ...writers(tag) });
  document.documentElement.lang = tag;
}

/** Whether there is a word for a key. @param {string} key */
export const has = (key) => key in now.words;

/**
 * Give a word or a sentence; {name} in it is replaced. Where `n` is one, a key that ends in `.one`
 * comes first.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values) {
  const one = `${key}.one`;
  const text = now.words[String(values?.n) === '1' && has(one) ? one : key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole)) : text;
}

/** @type {readonly [Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** @type {readonly (readonly [word: string, seconds: number])[]} */
const LENGTHS = [
  ['d', 86400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
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

/**
 * Say for how long something has been as it is.
 * @param {string} stamp RFC 3339: since when
 * @param {number} at the present time, in milliseconds
 */
export const lasting = (stamp, at) =>
  t('time.for', { span: span(Math.max(0, (at - Date.parse(stamp)) / 1000)) });

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

/**
 * Say how much time is left until another.
 * @param {string} stamp RFC 3339
 * @param {number} at the present time, in milliseconds
 */
export function left(stamp, at) {
  const seconds = Math.floor((Date.parse(stamp) - at) / 1000);
  if (!(seconds > 0)) {
    return t('time.over');
  }
  // Rounded down: nobody is promised more than there is.
  const [unit, size] = LENGTHS.find(([, one]) => seconds >= one) ?? LENGTHS[3];
  const parts = [t(`span.${unit}`, { n: Math.floor(seconds / size) })];
  const minutes = Math.floor((seconds % 3600) / 60);
  if (unit === 'h' && minutes > 0) {
    parts.push(t('span.m', { n: minutes }));
  }
  return t('time.left', { span: parts.join(' ') });
}

/** Say a time, with its date. @param {string | number} stamp */
export function when(stamp) {
  const at = new Date(stamp);
  return Number.isNaN(at.getTime()) ? '' : now.times.format(at);
}

/** Say a time of day, to the second. @param {string | number} stamp */
export function clock(stamp) {
  const two = /** @type {const} */ ('2-digit');
  const how = /** @type {const} */ ({ hour: two, minute: two, second: two, hourCycle: 'h23' });
  return new Date(stamp).toLocaleTimeString(document.documentElement.lang, how);
}

/** Say a number. @param {number} n */
export const number = (n) => now.numbers.format(n);

/** Order texts as the reader's language does. @param {string} one @param {string} other */
export const collate = (one, other) => now.names.compare(one, other);
