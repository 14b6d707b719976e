// Small charts, of nothing but what the daemon has counted.

import { s } from '../../core/elements.js';
import { number } from '../../parts/words.js';
import { LEVELS, height, nice } from './model.js';

/** @typedef {import('../../wire/types').Bucket} Bucket */

const WIDTH = 480;
const HEIGHT = 150;
const LEFT = 40;
const BOTTOM = 20;
const TOP = 10;
const HOURS = 4;

/**
 * Draw tasks by state, one upon another. Where the daemon did not run, nothing is drawn.
 * @param {string} title
 * @param {readonly Bucket[]} day
 */
export function areas(title, day) {
  const top = nice(Math.max(1, ...day.map(height)));
  const step = (WIDTH - LEFT) / day.length;
  const marks = day.flatMap((one, n) => {
    let base = 0;
    return LEVELS.map(([status, state]) => {
      const tall = ((one.tasks?.[status] ?? 0) / top) * (HEIGHT - TOP);
      base += tall;
      return bar(LEFT + n * step, step + 0.3, HEIGHT - base, tall, state);
    });
  });
  return frame(title, top, day, marks);
}

/**
 * Draw how often some things have happened, side by side.
 * @param {string} title
 * @param {readonly Bucket[]} day
 * @param {readonly (readonly [kind: string, state: string])[]} kinds
 */
export function bars(title, day, kinds) {
  const counts = day.flatMap((one) => kinds.map(([kind]) => one.events[kind] ?? 0));
  const top = nice(Math.max(1, ...counts));
  const step = (WIDTH - LEFT) / day.length;
  const wide = Math.max(1, step / kinds.length - 0.5);
  const marks = day.flatMap((one, n) =>
    kinds.map(([kind, state], k) => {
      const tall = ((one.events[kind] ?? 0) / top) * (HEIGHT - TOP);
      return bar(LEFT + n * step + k * wide, wide, HEIGHT - tall, tall, state);
    }),
  );
  return frame(title, top, day, marks);
}

/**
 * @param {number} x
 * @param {number} width
 * @param {number} y
 * @param {number} tall
 * @param {string} state
 */
const bar = (x, width, y, tall, state) =>
  tall > 0 && s('rect', { x, y, width, height: tall, class: state });

/**
 * @param {string} title
 * @param {number} top
 * @param {readonly Bucket[]} day
 * @param {import('../../core/types').Children} marks
 */
function frame(title, top, day, marks) {
  const lines = [0, 0.5, 1].filter((share) => Number.isInteger(share * top));
  const line = (/** @type {number} */ share) => {
    const y = HEIGHT - share * (HEIGHT - TOP);
    const said = number(Math.round(share * top));
    return [
      s('line', { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: 'grid' }),
      s('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, said),
    ];
  };
  const hour = (/** @type {Bucket} */ one, /** @type {number} */ n) => {
    const at = new Date(one.at * 1000);
    const isShown = at.getMinutes() === 0 && at.getHours() % HOURS === 0;
    const x = LEFT + (n / Math.max(1, day.length - 1)) * (WIDTH - LEFT);
    const said = `${at.getHours()}:00`;
    return isShown && s('text', { x, y: HEIGHT + 15, 'text-anchor': 'middle' }, said);
  };
  const props = { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT + BOTTOM}`, role: 'img' };
  return s('svg', { ...props, 'aria-label': title }, lines.map(line), marks, day.map(hour));
}
