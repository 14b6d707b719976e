// The page's own words, in the reader's language. The text of tasks is shown as it was written.

let words = {};
export let language = 'en';
export const LANGUAGES = { en: 'English', zh: '中文' };

export const ready = () => Object.keys(words).length > 0;

export function chosen() {
  const kept = localStorage.getItem('language');
  if (kept in LANGUAGES) return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export async function load(name) {
  words = await (await fetch(`/static/${name}.json`)).json();
  language = name;
  document.documentElement.lang = name === 'zh' ? 'zh-CN' : 'en';
  relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: 'auto', style: 'short' });
}

export const has = (key) => key in words;

/** Give a word or a sentence; {name} in it is replaced. */
export function t(key, values) {
  const text = words[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : text;
}

let relative;
const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** How long ago a time is, for people. */
export function ago(stamp, now = Date.now()) {
  const at = typeof stamp === 'number' ? stamp : Date.parse(stamp);
  if (!at) return '';
  const seconds = Math.round((at - now) / 1000);
  if (Math.abs(seconds) < 5) return t('time.now');
  const [unit, size] = UNITS.find(([, one]) => Math.abs(seconds) >= one);
  return relative.format(Math.trunc(seconds / size), unit);
}

/** A length of time, for people. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return '–';
  if (seconds < 60) return t('span.s', { n: Math.round(seconds) });
  if (seconds < 3600) return t('span.m', { n: Math.round(seconds / 60) });
  if (seconds < 172800) return t('span.h', { n: (seconds / 3600).toFixed(seconds < 36000 ? 1 : 0) });
  return t('span.d', { n: (seconds / 86400).toFixed(1) });
}

export function when(stamp) {
  const at = new Date(stamp);
  return isNaN(at) ? '' : at.toLocaleString(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'medium' });
}

export const number = (n) => n.toLocaleString(document.documentElement.lang);
