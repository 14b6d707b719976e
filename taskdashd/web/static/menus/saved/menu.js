// The views that somebody, or a group, has saved: followed, saved, renamed, removed. What others
// change meanwhile is seen when it is opened the next time.

import { closeDialogs, dialog, lineField, puts } from '../../core/dialogs.js';
import { fill, h } from '../../core/elements.js';
import { toast } from '../../core/toasts.js';
import { groupsKnown } from '../../parts/filters.js';
import { reason } from '../../parts/reasons.js';
import { collate, t } from '../../parts/words.js';
import { typedName } from '../../rules/typed.js';
import {
  isSameOwner,
  isShownNow,
  mayChange,
  ownersFor,
  placeOfQuery,
  queryOfPlace,
  sectionsOf,
} from './model.js';

/**
 * @typedef {import('../../parts/page').Page<any>} Page
 * @typedef {import('../../core/dialogs').Given} Given
 * @typedef {import('./model').Owner} Owner
 * @typedef {import('./model').Saved} Saved
 */

/** @type {import('../../parts/page').Menu} */
export async function menu(page) {
  new Open(page, await readAll(page)).show();
}

/** The menu while it is open. */
class Open {
  /** @param {Page} page @param {Saved[]} all */
  constructor(page, all) {
    this.#page = page;
    this.#all = all;
    this.#owners = ownersFor(page.known.me, groupsKnown(page.known), collate);
  }

  #page;
  #all;
  #owners;
  #list = h('div.saved');
  /** What was about to be overwritten when somebody was told so. */
  #warned = '';

  show() {
    const may = this.#owners.length > 0;
    const body = h('div', null, this.#list, may && this.#form());
    const submit = (/** @type {Given} */ given) => this.#save(given);
    this.#paint();
    dialog(
      t('saved'),
      body,
      may ? { confirm: t('save'), cancel: t('close'), submit } : { confirm: t('close') },
    );
    this.#list.querySelector('a')?.focus();
  }

  #paint() {
    const sections = sectionsOf(this.#all, collate);
    fill(
      this.#list,
      sections.length === 0 && h('p.nothing', null, t('saved.none')),
      sections.map(({ of, saved }) => [
        h('h3', { key: `head ${whose(of)}` }, whose(of)),
        h(
          'ul.plain',
          { key: `list ${whose(of)}` },
          saved.map((one) => this.#line(one)),
        ),
      ]),
    );
  }

  /** @param {Saved} one */
  #line(one) {
    const { name, of, query } = one;
    const follow = (/** @type {MouseEvent} */ event) => {
      // What opens in another tab leaves this one as it is.
      if (!(event.ctrlKey || event.metaKey || event.shiftKey)) {
        closeDialogs();
      }
    };
    const isHere = isShownNow(query, this.#page.place) ? 'true' : null;
    const href = placeOfQuery(query);
    const button = (/** @type {string} */ act, /** @type {() => void} */ onclick) =>
      h(
        'button.link',
        { type: 'button', 'aria-label': t('act.of', { act: t(`saved.${act}`), name }), onclick },
        t(`saved.${act}`),
      );
    return h(
      'li',
      { key: name },
      h('a', { href, 'aria-current': isHere, onclick: follow }, name),
      mayChange(of, this.#page.known.me) && [
        button('rename', () => this.#rename(one)),
        button('remove', () => this.#remove(one)),
      ],
    );
  }

  #form() {
    const options = this.#owners.map((of, n) => h('option', { value: n }, whose(of)));
    const name = nameField('');
    return h(
      'fieldset',
      null,
      h('legend', null, t('saved.save')),
      h('p', null, t('saved.about')),
      name,
      h(
        'label.field',
        { hidden: options.length < 2 },
        t('saved.of'),
        h('select', { name: 'of' }, options),
      ),
    );
  }

  /** @param {Given} given */
  async #save(given) {
    const name = typedName(given.name);
    const of = this.#owners[Number(given.of)];
    const wanted = JSON.stringify([name, of]);
    if (this.#warned !== wanted && (await this.#has(name, of))) {
      this.#warned = wanted;
      return t('saved.overwrite', { name });
    }
    const query = queryOfPlace(this.#page.place);
    const why = await this.#set({ name, of, query });
    if (why === null) {
      toast(t('saved.done', { name }));
    }
    return why;
  }

  /**
   * Whether there is a view of that name by now. Where that cannot be read, what is asked next says
   * why.
   * @param {string} name
   * @param {Owner} of
   */
  async #has(name, of) {
    const all = await readAll(this.#page).catch(() => this.#all);
    return all.some((one) => one.name === name && isSameOwner(one.of, of));
  }

  /** @param {Saved} one */
  async #rename(one) {
    const submit = async (/** @type {Given} */ given) => {
      const name = typedName(given.name);
      if (name === one.name) {
        return null;
      }
      if (await this.#has(name, one.of)) {
        return t('saved.exists', { name });
      }
      // The new name first: at the worst there are two, and not none.
      return (await this.#set({ ...one, name })) ?? this.#set(one, true);
    };
    const how = { confirm: t('saved.rename'), cancel: t('cancel'), submit };
    await dialog(t('saved.rename.title', { name: one.name }), nameField(one.name), how);
    await this.#again();
  }

  /** @param {Saved} one */
  async #remove(one) {
    const { name, of } = one;
    const about = h('p', null, t(of.group ? 'saved.remove.group' : 'saved.remove.own', of));
    const submit = () => this.#set(one, true);
    const how = { confirm: t('saved.remove'), cancel: t('cancel'), submit };
    await dialog(t('saved.remove.title', { name }), about, how);
    await this.#again();
  }

  /**
   * Keep a view, or remove it; gives why not.
   * @param {Saved} view
   * @param {boolean} [remove]
   */
  async #set({ name, of, query }, remove = false) {
    if (!name) {
      return t('cause.blank', { field: t('saved.name') });
    }
    try {
      await this.#page.ask('SetView', { name, of, ...(remove ? { remove } : { query }) });
      return null;
    } catch (error) {
      return reason(error, this.#page.known);
    }
  }

  async #again() {
    try {
      this.#all = await readAll(this.#page);
    } catch (error) {
      this.#page.explain(error);
      return;
    }
    this.#paint();
    if (document.activeElement === document.body) {
      // The button that had the focus went with its view.
      const next = this.#list.closest('dialog')?.querySelector('a, input, button');
      /** @type {HTMLElement | null | undefined} */ (next)?.focus();
    }
  }
}

/** @param {Owner} of */
const whose = (of) => of.group ?? t('saved.mine');

/** @param {string} value */
const nameField = (value) =>
  lineField(t('saved.name'), { name: 'name', value, required: true, ...puts(typedName) });

/**
 * Read all views that one may see: where one reply has no room, one owner after another.
 * @param {Page} page
 * @returns {Promise<Saved[]>}
 */
async function readAll(page) {
  const { views, more } = await page.ask('Views', {});
  if (!more) {
    return views;
  }
  const { me } = page.known;
  const groups = [...groupsKnown(page.known)].filter(
    (one) => me?.groups.includes(one) || mayChange({ group: one }, me),
  );
  /** @type {Owner[]} */
  const owners = [
    ...(me?.user ? [{ person: me.user }] : []),
    ...groups.map((group) => ({ group })),
  ];
  const all = [];
  for (const of of owners) {
    all.push(...(await page.ask('Views', { of })).views);
  }
  return all;
}
