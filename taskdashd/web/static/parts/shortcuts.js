// Whether single keys do something. Whoever speaks to the machine, or hits keys by accident, turns
// them off; what they do is done by buttons and links too.

import { keep, kept } from '../core/storage.js';

const NAME = 'keys';
const OFF = 'off';

// Where the browser keeps nothing, it holds for this page.
const now = { isOn: kept('browser', NAME) !== OFF };

/** Where there is no keyboard in sight, a key beside a word is only one more thing to wonder at. */
const isTouched = matchMedia('(hover: none) and (pointer: coarse)');

export const hasShortcuts = () => now.isOn;

/** @param {boolean} isOn */
export function useShortcuts(isOn) {
  now.isOn = isOn;
  keep('browser', NAME, isOn ? null : OFF);
}

/**
 * Say a key, where it does something and somebody can press it.
 * @template {string | null} T
 * @param {string} text
 * @param {T} otherwise
 */
export const shortcut = (text, otherwise) => (now.isOn && !isTouched.matches ? text : otherwise);
