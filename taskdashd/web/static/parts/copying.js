// Copying the id of a task, or the link to it.

import { copy } from '../core/clipboard.js';
import { toast } from '../core/toasts.js';
import { t } from './words.js';

/** Copy a text, and say so. @param {string} text */
export async function copied(text) {
  const isDone = await copy(text);
  toast(t(isDone ? 'copied' : 'copied.not', { text }), isDone ? {} : { kind: 'bad' });
}
