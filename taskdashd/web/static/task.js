// One task: every field, what may be done with it, how far it is, and all that has happened to it.

import { fill, h, isForPage, onFrame } from './dom.js';
import { ask, nameOf, now, on } from './feed.js';
import { KEYS, act, explain } from './acts.js';
import { actsFor, badge, bar, face, progressOf, since, stateOf } from './tasks.js';
import { link } from './app.js';
import { ago, t, when } from './words.js';

const TIMES = new Set(['created_at', 'updated_at', 'last_seen', 'shutdown_at', 'claimed_at', 'claim_until', 'free_since', 'checked_at']);
const FIRST = ['id', 'status', 'user', 'checker', 'group_id', 'project_id', 'instance_id', 'task_type', 'parent_id', 'url', 'description', 'reason', 'claim_until', 'last_seen'];
const HIDDEN = new Set(['name', 'progress', 'errid', 'errmsg']);
const PAGE = 50;

export function open(main, id) {
  let task = null;
  let after = null;
  let newest = 0;
  let live = true;
  const shown = new Map();
  const head = h('div.taskhead');
  const doing = h('div.row');
  const fields = h('dl.fields');
  const family = h('div');
  const history = h('ol.history');
  const more = h('div');
  const all = h('article.task', null, head, doing,
    h('div.two', null, h('section', null, h('h2', null, t('task.fields')), fields, family), h('section', null, h('h2', null, t('task.history')), history, more)));
  const none = h('div.welcome', { hidden: true }, h('h1', null, t('task.none', { id })), h('p', null, t('task.none.about')), h('p', null, h('a', { href: link('board') }, t('view.board'))));
  fill(main, all, none);

  async function read() {
    try {
      task = await ask('Find', { id });
      if (!live) return;
      all.hidden = false;
      none.hidden = true;
      paint();
      await Promise.all([readHistory(null), readFamily()]);
    } catch (error) {
      if (!live) return;
      task = null;
      all.hidden = error.errid === 1002;
      none.hidden = !all.hidden;
      if (!all.hidden) explain(error);
    }
  }

  async function readHistory(from) {
    const page = await ask('Audit', { task: id, limit: PAGE, ...(from && { after: from }) });
    if (!live) return;
    after = page.next;
    if (!from) { fill(history); newest = page.entries[0]?.rev ?? 0; }
    for (const entry of page.entries) history.append(entryOf(entry));
    fill(more, after && h('button', { onclick: () => readHistory(after).catch(explain) }, t('task.more')));
  }

  // Put new entries on top, and keep the nodes of the others: changes that somebody has unfolded stay so.
  const readNews = onFrame(async () => {
    try {
      const page = await ask('Audit', { task: id, limit: PAGE });
      if (!live) return;
      const news = page.entries.filter((entry) => entry.rev > newest);
      newest = page.entries[0]?.rev ?? newest;
      history.prepend(...news.map(entryOf));
    } catch (error) { if (live) explain(error); }
  });

  async function readFamily() {
    const page = await ask('Query', { where: { parent_id: id }, limit: 100 });
    if (!live) return;
    const rows = page.tasks.map((one) => h('li', null, badge(one.status), ' ', h('a', { href: link('task', one.id) }, one.name || one.id)));
    fill(family, rows.length > 0 && [h('h2', null, t('task.parts')), h('ul.plain', null, rows)]);
  }

  const paint = onFrame(() => {
    if (!live || !task) return;
    const share = progressOf(task);
    fill(head, h('h1', null, task.name || task.id), badge(task.status),
      share !== null && h('div.big', null, bar(task), h('span', null, task.progress)));
    fill(doing, actsFor(task).map((name) => h(name === 'claim' || name === 'approve' ? 'button.primary' : 'button', { title: KEYS[name], onclick: () => act(name, task) }, t(`act.${name}`), ' ', h('kbd', null, KEYS[name]))));
    const names = [...FIRST.filter((name) => task[name]), ...Object.keys(task).filter((name) => !FIRST.includes(name) && !HIDDEN.has(name) && task[name] !== '')];
    // Make only changed fields anew: a node that is replaced loses the text that somebody has selected to copy.
    for (const [name, one] of shown) if (!names.includes(name)) { one.nodes.forEach((node) => node.remove()); shown.delete(name); }
    for (const name of names) {
      const old = shown.get(name), text = JSON.stringify(task[name]);
      if (old?.text === text && !['user', 'checker', 'submitted_by', 'freed_from'].includes(name)) continue;
      const nodes = [h('dt', null, t(`field.${name}`).replace('field.', '')), h('dd', null, valueOf(name, task[name]))];
      if (old) old.nodes.forEach((node, n) => node.replaceWith(nodes[n])); else fields.append(...nodes);
      shown.set(name, { text, nodes });
    }
  });

  function valueOf(name, value) {
    if (['user', 'checker', 'submitted_by', 'freed_from'].includes(name)) return h('span.who', null, face(value), nameOf(value));
    if (name === 'status') return h('span', null, badge(value), ` ${value}`);
    if (TIMES.has(name)) return h('span', null, when(value), ' (', since(value), ')');
    if (name === 'parent_id') return h('a', { href: link('task', value) }, value);
    if (name === 'url' && /^https?:\/\//.test(value)) return h('a', { href: value, rel: 'noreferrer noopener', target: '_blank' }, value);
    return typeof value === 'string' ? value : h('code', null, JSON.stringify(value));
  }

  function entryOf(entry) {
    const changes = Object.entries(entry.changes ?? {}).filter(([name]) => !TIMES.has(name) && name !== 'epoch' && name !== 'reason');
    return h('li', null,
      h('div', null, h(`span.dot.${entry.kind === 'shutdown' ? 'dead' : entry.kind === 'recovered' ? 'live' : stateOf(entry.changes?.status?.[1] ?? '')}`), h('strong', null, t(`kind.${entry.kind}`)), ' ', h('time', { title: when(entry.at), dataset: { since: entry.at } }, ago(entry.at, now()))),
      h('div.who', null, entry.who), entry.why && h('div.reason', null, entry.why),
      changes.length > 0 && h('details', { open: changes.length < 5 }, h('summary', null, t('task.changed', { n: changes.length })),
        h('ul.plain', null, changes.map(([name, [old, fresh]]) => h('li', null, h('span', null, `${t(`field.${name}`).replace('field.', '')}: `), old !== null && old !== '' && [h('del', null, String(old)), ' → '], h('ins', null, String(fresh ?? '–')))))));
  }

  function key(event) {
    if (!task || event.repeat || !isForPage(event)) return;
    const name = Object.keys(KEYS).find((one) => KEYS[one] === event.key);
    if (name && actsFor(task).includes(name)) { event.preventDefault(); act(name, task); }
  }

  function take(events) {
    for (const event of events) {
      if (event.task.id !== id) continue;
      if (event.kind === 'gone' || !task) { read(); return; }
      if (event.rev < task.rev) continue;
      task = event.task;
      paint();
      readNews();
    }
  }

  document.addEventListener('keydown', key);
  main.focus();
  const offs = [on('events', take), on('afresh', read), on('people', paint)];
  read();
  return () => { live = false; document.removeEventListener('keydown', key); offs.forEach((off) => off()); };
}
