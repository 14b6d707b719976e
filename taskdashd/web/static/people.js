// People: who has how much, who has too much, who waits for work.

import { fill, h, onFrame } from './dom.js';
import { figures, known, on } from './feed.js';
import { editPerson, explain, handOver } from './acts.js';
import { face, isAdmin } from './tasks.js';
import { link } from './app.js';
import { number, t } from './words.js';

const STATES = [['编辑中', 'editing'], ['已领取', 'claimed'], ['待审核', 'review']];

export function open(main) {
  const head = h('div.viewhead');
  const body = h('div');
  fill(main, head, body);

  const paint = onFrame(() => {
    const load = known.figures?.load ?? {};
    const admin = isAdmin();
    const rows = [...known.people.values()].map((one) => ({ ...one, load: load[one.user] ?? {} }));
    for (const row of rows) row.held = (row.load['已领取'] ?? 0) + (row.load['编辑中'] ?? 0);
    rows.sort((a, b) => b.held - a.held || a.name.localeCompare(b.name));
    const held = rows.filter((one) => one.active).map((one) => one.held).sort((a, b) => a - b);
    const middle = held[Math.floor(held.length / 2)] ?? 0;
    const most = Math.max(1, ...rows.map((one) => STATES.reduce((sum, [state]) => sum + (one.load[state] ?? 0), 0)));
    const free = known.figures?.states?.['待领取'] ?? 0;
    fill(head, h('h1', null, t('view.people')), h('p', null, t('people.about', { free: number(free) })), admin && h('button', { onclick: () => editPerson(null) }, t('person.add')));
    fill(body, h('ul.people', null, rows.map((one) => row(one, middle, most, free, admin))),
      h('p.legend', null, STATES.map(([, name]) => h('span', null, h(`span.dot.${name}`), t(`state.${name}`)))));
  });

  function row(one, middle, most, free, admin) {
    const full = one.held >= 4 && one.held > 2 * middle, waits = one.active && one.held === 0;
    const all = STATES.map(([state, name]) => [one.load[state] ?? 0, name]);
    const said = all.filter(([count]) => count).map(([count, name]) => `${t(`state.${name}`)}: ${count}`).join(', ') || t('people.nothing');
    return h(one.active ? 'li' : 'li.inactive', null,
      h('a.who', { href: link('list', '', new URLSearchParams({ user: one.user })) }, face(one.user), h('span', null, h('strong', null, one.name), h('small', null, `${one.user} · ${t(`role.${one.role}`)}${one.groups.length ? ` · ${one.groups.join(', ')}` : ''}`))),
      h('span.load', { role: 'img', 'aria-label': said, title: said }, all.map(([count, name]) => count > 0 && h(`span.${name}`, { style: { '--share': count / most } }, count))),
      h('span.tag', null, !one.active ? t('people.inactive') : full ? h('span.badge.dead', null, t('people.full')) : waits && free ? h('span.badge.free', null, t('people.waits')) : ''),
      h('span.row', null, (admin || one.user === known.me.user || known.me.leads.some((group) => one.groups.includes(group))) && one.held > 0 && h('button', { dataset: { k: `handover ${one.user}` }, onclick: () => handOver(one) }, t('handover')),
        admin && h('button', { dataset: { k: `edit ${one.user}` }, onclick: () => editPerson(one) }, t('edit'))));
  }

  const offs = [on('people', paint), on('figures', paint)];
  figures().catch(explain);
  paint();
  return () => offs.forEach((off) => off());
}
