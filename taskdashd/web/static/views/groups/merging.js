// Putting one group into another, which may be a new one; and taking everybody out of one.

import { dialog, lineField, puts } from '../../core/dialogs.js';
import { fill, h } from '../../core/elements.js';
import { toast } from '../../core/toasts.js';
import { reason } from '../../parts/reasons.js';
import { number, t } from '../../parts/words.js';
import { namesIn } from '../../rules/separators.js';
import { typedName } from '../../rules/typed.js';
import { NOTHING, askedToLeave, peopleIn, renewedQuery, servicesIn, withReply } from './model.js';
import { OPEN, TASKS_MAX } from './open.js';

/**
 * @typedef {import('./open').Page} Page
 * @typedef {import('./model').Merged} Merged
 * @typedef {import('../../core/dialogs').Given} Given
 * @typedef {import('../../core/types').Children} Children
 */

const NAME_CHARACTERS_MAX = 128;

/**
 * Call a group otherwise.
 * @param {Page} page
 * @param {string} from
 * @param {readonly string[]} names of all groups
 * @returns {Promise<boolean>} whether something may have changed
 */
export function renameGroup(page, from, names) {
  const refused = (/** @type {string} */ into) => {
    const meant = namesIn(into).map(typedName).filter(Boolean);
    if (meant.length !== 1) {
      return t('groups.one');
    }
    if (meant[0] === from) {
      return t('groups.same');
    }
    return names.includes(meant[0]) ? t('groups.exists', { name: meant[0] }) : null;
  };
  return ask(
    page,
    from,
    'rename',
    typedField('into', t('groups.into.new'), from, puts(typedName)),
    refused,
  );
}

/**
 * Put a group into another.
 * @param {Page} page
 * @param {string} from
 * @param {readonly string[]} names of all groups
 * @returns {Promise<boolean>} whether something may have changed
 */
export function mergeGroup(page, from, names) {
  const options = names
    .filter((name) => name !== from)
    .map((name) => h('option', { value: name }, name));
  const field = h(
    'label.field',
    null,
    t('field.into'),
    h('select', { name: 'into', required: true }, h('option', { value: '' }), options),
  );
  return ask(page, from, 'merge', field, () => null);
}

/**
 * Put a group into another that is not on the page, because only tasks name it.
 * @param {Page} page
 * @param {readonly string[]} names of all groups
 * @returns {Promise<boolean>} whether something may have changed
 */
export async function mergeOther(page, names) {
  const field = typedField('from', t('field.from'), '');
  const how = { confirm: t('groups.go'), cancel: t('cancel') };
  const about = h('p', null, t('groups.other.about'));
  const given = await dialog(t('groups.other'), h('div', null, about, field), how);
  return given !== null && mergeGroup(page, given.from, names);
}

/** @param {string} name @param {string} label @param {string} value @param {object} [more] */
const typedField = (name, label, value, more = {}) =>
  lineField(label, { name, value, required: true, maxlength: NAME_CHARACTERS_MAX, ...more });

/**
 * Ask into which group, saying what comes along, and do it.
 * @param {Page} page
 * @param {string} from
 * @param {'rename' | 'merge'} act
 * @param {Children} field
 * @param {(into: string) => string | null} refused
 * @returns {Promise<boolean>} whether something may have changed
 */
async function ask(page, from, act, field, refused) {
  const status = h('p', { role: 'status' });
  let into = '';
  let done = NOTHING;
  const tell = (/** @type {Merged} */ now) => {
    done = now;
    fill(status, t('groups.moving', { n: number(now.tasks) }));
  };
  const submit = async (/** @type {Given} */ given) => {
    // Asked once more it goes on: the new name is there by then, and is meant.
    const why = given.into === into ? null : refused(given.into);
    if (why !== null) {
      return why;
    }
    into = given.into;
    try {
      await merge(page, { from, into }, done, status, tell);
    } catch (error) {
      return reason(error, page.known);
    }
    return null;
  };
  const title = t(`groups.${act}.title`, { name: from });
  const ended = h('p', null, t('groups.ended'));
  const body = h('div', null, await touched(page, from), ended, field, status);
  const how = { confirm: t(`groups.${act}`), cancel: t('cancel'), submit };
  const given = await dialog(title, body, how);
  if (given) {
    await renewViews(page, from, done.into);
    await told(page, { from, into }, done);
  }
  return into !== '';
}

/**
 * Ask as long as there are more tasks, and the dialog is open; what has begun can be gone on with
 * at any time.
 * @param {Page} page
 * @param {{ from: string, into: string }} asked
 * @param {Merged} before what was done so far
 * @param {Element} status gone when the dialog was closed
 * @param {(done: Merged) => void} tell
 */
async function merge(page, asked, before, status, tell) {
  let done = before;
  let reply;
  do {
    reply = await page.ask('MergeGroups', asked);
    done = withReply(done, reply);
    tell(done);
    // Where nothing moves any more it would go on for ever.
  } while (reply.more && reply.tasks > 0 && status.isConnected);
  if (reply.more) {
    toast(t('groups.stopped', asked), { kind: 'bad' });
  }
}

/**
 * Have the views that came along filter by the new name.
 * @param {Page} page
 * @param {string} from
 * @param {string} into
 */
async function renewViews(page, from, into) {
  const of = { group: into };
  try {
    const { views } = await page.ask('Views', { of });
    for (const { name, query } of views) {
      const renewed = renewedQuery(query, from, into);
      if (renewed !== query) {
        await page.ask('SetView', { name, of, query: renewed });
      }
    }
  } catch (error) {
    page.explain(error);
  }
}

/** Say what a group has. @param {Page} page @param {string} name */
async function touched(page, name) {
  const { tasks, next } = await page.ask('Query', {
    where: { ...OPEN, group_id: name },
    limit: TASKS_MAX,
  });
  const values = {
    people: number(peopleIn(page.known, name).length),
    services: number(servicesIn(page.known, name)),
    tasks: number(tasks.length) + (next === null ? '' : '+'),
  };
  return h('p', null, t('groups.touched', values));
}

/**
 * Say what has come of it; where somebody has to do something more, in a dialog.
 * @param {Page} page
 * @param {{ from: string, into: string }} asked
 * @param {Merged} done
 */
async function told(page, { from, into }, { people, services, tasks, left, tokens }) {
  const counts = { people: number(people), services: number(services), tasks: number(tasks) };
  const said = t('groups.merged', { from, into, ...counts });
  if (left.length === 0 && tokens.length === 0) {
    toast(said);
    return;
  }
  const body = h(
    'div',
    null,
    h('p', null, said),
    tokens.length > 0 && [
      h('h3', null, t('groups.tokens', { from })),
      h('p', null, t('groups.tokens.about', { into })),
      h(
        'ul',
        null,
        tokens.map((name) => h('li', null, name)),
      ),
    ],
    left.length > 0 && [
      h('h3', null, t('groups.left', { from })),
      h(
        'ul',
        null,
        left.map(({ id }) => h('li', null, h('a', { href: page.link('task', id, {}) }, id))),
      ),
    ],
  );
  await dialog(t('groups.merged.title', { from, into }), body, { confirm: t('close') });
}

/**
 * Take everybody out of a group.
 * @param {Page} page
 * @param {string} name
 * @returns {Promise<boolean>} whether something may have changed
 */
export async function emptyGroup(page, name) {
  const status = h('p', { role: 'status' });
  const submit = async () => {
    try {
      const all = peopleIn(page.known, name);
      for (const [n, one] of all.entries()) {
        fill(status, t('groups.leaving', { n: number(n + 1), all: number(all.length) }));
        await page.ask('SetPerson', askedToLeave(one, name));
        if (!status.isConnected) {
          break;
        }
      }
    } catch (error) {
      return reason(error, page.known);
    }
    return null;
  };
  const body = h(
    'div',
    null,
    await touched(page, name),
    h('p', null, t('groups.empty.about')),
    status,
  );
  const how = { confirm: t('groups.empty'), cancel: t('cancel'), submit };
  const given = await dialog(t('groups.empty.title', { name }), body, how);
  if (given) {
    toast(t('groups.emptied', { name }));
  }
  return given !== null;
}
