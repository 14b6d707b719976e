// The bar at the foot: how many tasks are selected, and what can be done with all of them. Each is
// asked for by itself, as from its own card, and what could not be done is said of each.

import { dialog, lineField } from '../../core/dialogs.js';
import { fill, h } from '../../core/elements.js';
import { toast } from '../../core/toasts.js';
import { FORMS, attempted, outcome } from '../../parts/acting.js';
import { collate, t } from '../../parts/words.js';
import { LABEL_CHARACTERS_MAX } from '../../rules/filters.js';
import { actsForAll, labelsOfAny, mayLabelAll } from './model.js';

/**
 * @typedef {import('../../parts/page').Page<any>} Page
 * @typedef {import('../../parts/page').Done} Done
 * @typedef {import('../../parts/page').Left} Left
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {import('../../wire/types').Reply} Reply
 * @typedef {import('../../rules/acts').Act} Act
 * @typedef {import('../../core/dialogs').Given} Given
 * @typedef {(task: Task) => Promise<{ reply: Reply | null, why: string | null }>} Attempt
 */

/** @type {import('../../parts/page').Menu} */
export async function menu(page) {
  new Bar(page).show();
}

class Bar {
  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
  }

  #page;
  #node = h('div', { id: 'picked' });
  /** What is said while tasks are asked about; empty where none are. */
  #doing = '';

  /** Follow what is selected until the view is left. */
  show() {
    const { picking, signal } = this.#page;
    picking.onpaint = () => this.#paint();
    signal.addEventListener('abort', () => this.#node.remove());
    this.#paint();
  }

  #paint() {
    const { tasks } = this.#page.picking;
    if (tasks.length === 0 && !this.#doing) {
      this.#node.remove();
      return;
    }
    if (!this.#node.isConnected) {
      document.getElementById('main')?.after(this.#node);
    }
    const { me } = this.#page.known;
    const acts = actsForAll(tasks, me);
    const may = mayLabelAll(tasks, me);
    const button = (/** @type {string} */ key, /** @type {() => unknown} */ press) => {
      // A disabled button would lose the focus.
      const busy = this.#doing ? 'true' : null;
      // After an act another button may stand there: the second click of two is not meant for it.
      const once = (/** @type {MouseEvent} */ { detail }) => this.#doing || detail > 1 || press();
      return h('button', { key, 'aria-disabled': busy, onclick: once }, t(key));
    };
    fill(
      this.#node,
      h(
        'section',
        { 'aria-label': t('picked') },
        h('strong', { role: 'status' }, this.#doing || t('picked.n', { n: tasks.length })),
        acts.map((act) => button(`act.${act}`, () => this.#act(act))),
        may && button('picked.labels', () => this.#labels()),
        acts.length === 0 && !may && h('span', null, t('picked.none')),
        h(
          'button.link',
          { key: ' clear', onclick: () => this.#page.picking.clear() },
          t('picked.clear'),
        ),
      ),
    );
  }

  /** Do an act with all that are selected, after asking once for what it needs. @param {Act} act */
  async #act(act) {
    const { tasks } = this.#page.picking;
    const form = FORMS[act]?.(tasks, this.#page.known);
    if (form?.querySelector('select')?.options.length === 1) {
      toast(t('picked.nobody'), { kind: 'bad' });
      return;
    }
    const name = t(`act.${act}`);
    const given = form ? await this.#asked(name, tasks, form) : {};
    if (given) {
      await this.#each(name, tasks, (task) =>
        attempted(act, task, given, this.#page.known, this.#askAbout(task)),
      );
    }
  }

  /** @type {(task: Task) => import('../../parts/acting').Ask} */
  #askAbout =
    ({ id }) =>
    (op, body) =>
      this.#page.askAbout(id, op, /** @type {any} */ (body));

  async #labels() {
    const { tasks } = this.#page.picking;
    const name = t('picked.labels');
    const given = await this.#asked(name, tasks, labelForm(tasks), async ({ add, remove }) =>
      add.trim() || remove ? null : t('cause.blank', { field: name }),
    );
    if (given) {
      const add = given.add.trim();
      const what = { ...(add && { add: [add] }), ...(given.remove && { remove: [given.remove] }) };
      await this.#each(name, tasks, (task) =>
        outcome(this.#askAbout(task), 'SetLabels', { id: task.id, ...what }, this.#page.known),
      );
    }
  }

  /**
   * @param {string} act
   * @param {readonly Task[]} tasks
   * @param {HTMLElement} form
   * @param {(given: Given) => Promise<string | null>} [submit]
   */
  #asked(act, tasks, form, submit) {
    const how = { confirm: submit ? t('save') : act, cancel: t('cancel'), submit };
    return dialog(t('picked.title', { act, n: tasks.length }), form, how);
  }

  /**
   * Ask about tasks, one after another, and tell what came of it.
   * @param {string} name what the act is called
   * @param {readonly Task[]} tasks
   * @param {Attempt} attempt
   */
  async #each(name, tasks, attempt) {
    const user = this.#page.known.me?.user;
    /** @type {Done[]} */
    const done = [];
    /** @type {Left[]} */
    const left = [];
    for (const [n, was] of tasks.entries()) {
      this.#says(t('picked.doing', { act: name, n: n + 1, all: tasks.length }));
      // As it is by now: what is taken back must become so again.
      const before = this.#page.picking.tasks.find(({ id }) => id === was.id) ?? was;
      const { reply, why } = await attempt(before);
      if (user !== this.#page.known.me?.user) {
        // Somebody else has signed in here: neither act in their name nor tell them.
        this.#says('');
        return;
      }
      reply ? done.push({ before, reply }) : left.push({ task: before, why: why ?? '' });
    }
    this.#says('');
    if (done.length > 0) {
      const back = this.#page.undo(done, (not) =>
        tell(t('picked.left.undo', { n: not.length }), not),
      );
      const remove = toast(t('picked.did', { act: name, n: done.length }), back ?? {});
      back?.onshown(remove);
    }
    if (left.length > 0) {
      tell(t('picked.left', { n: left.length, all: tasks.length }), left);
    }
  }

  /** @param {string} text */
  #says(text) {
    this.#doing = text;
    this.#page.signal.aborted || this.#paint();
  }
}

/**
 * Say of each task why it was left as it is.
 * @param {string} title
 * @param {readonly Left[]} left
 */
function tell(title, left) {
  const item = (/** @type {Left} */ { task, why }) =>
    h('li', { key: task.id }, h('strong', null, task.name || task.id), ` – ${why}`);
  dialog(title, h('ul.plain.refusals', null, left.map(item)), { confirm: t('close') });
}

/** @param {readonly Task[]} tasks */
function labelForm(tasks) {
  const there = labelsOfAny(tasks).sort(collate);
  const options = there.map((one) => h('option', { value: one }, one));
  return h(
    'div',
    null,
    lineField(t('label.new'), {
      name: 'add',
      maxlength: LABEL_CHARACTERS_MAX,
      autocomplete: 'off',
    }),
    h(
      'label.field',
      { hidden: there.length === 0 },
      t('picked.labels.remove'),
      h('select', { name: 'remove' }, h('option', { value: '' }, t('picked.labels.none')), options),
    ),
  );
}
