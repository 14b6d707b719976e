// Printing: all rows, not one screen, under a heading: what, when, for whom, how filtered.
//
// A browser prints what is painted when it says `beforeprint`, and waits for nothing. Where there
// is more than was read, the keys that print read it first; printed from the browser's menu, the
// heading says so.

import { fill, h } from '../core/elements.js';
import { printing } from '../core/printing.js';
import { toast } from '../core/toasts.js';
import { t, when } from '../parts/words.js';
import { FIELDS, isShort } from '../rules/filters.js';
import { nameOf } from '../wire/known.js';

/** @typedef {import('./shell').Shell} Shell */

/** @param {Shell} shell */
export function followPrinting(shell) {
  const set = (/** @type {boolean} */ isOn) => {
    if (printing.isOn !== isOn) {
      printing.isOn = isOn;
      fill(/** @type {Element} */ (document.getElementById('printed')), isOn && head(shell));
      shell.opened?.paint();
    }
  };
  addEventListener('beforeprint', () => set(true));
  addEventListener('afterprint', () => set(false));
  matchMedia('print').addEventListener('change', ({ matches }) => set(matches));
  addEventListener('keydown', (event) => {
    const isPrint = (event.ctrlKey || event.metaKey) && event.key === 'p' && !event.shiftKey;
    if (isPrint && shell.opened?.isPart) {
      event.preventDefault();
      event.repeat || printWhole(shell);
    }
  });
}

/** @param {Shell} shell */
async function printWhole({ opened }) {
  const done = toast(t('list.reading'));
  await opened?.readAll();
  done();
  opened?.signal.aborted || print();
}

/** @param {Shell} shell */
function head({ opened, wire, place }) {
  const { known } = wire;
  const said = (/** @type {string} */ name, /** @type {string} */ value) => {
    if (isShort(name, value)) {
      return t(value === 'me' ? 'filter.mine' : 'filter.nobodys');
    }
    const shown = ['state', 'answer'].includes(name) ? t(`${name}.${value}`) : value;
    const field = FIELDS[name] ?? { state: 'status', q: 'contains' }[name];
    const who = field === 'user' || field === 'checker' ? nameOf(known, value) : shown;
    return field && value && `${t(`field.${field}`)}: ${who}`;
  };
  const filters = [...place.filters].map(([name, value]) => said(name, value)).filter(Boolean);
  const what = opened?.title || t(`view.${place.view}`);
  const about = [when(Date.now()), known.me ? nameOf(known, known.me.user) : '', ...filters];
  return [
    h('strong', null, `TaskDash · ${what}`),
    h('span', null, about.filter(Boolean).join(' · ')),
    opened?.isPart && h('em', null, t('print.part')),
  ];
}
