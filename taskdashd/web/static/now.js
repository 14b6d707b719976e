// The wall screen: what has just died, what is stuck, and the few numbers that matter.

import { fill, h, onFrame } from './dom.js';
import { ask, figures, known, nameOf, now, on } from './feed.js';
import { explain } from './acts.js';
import { badge, columnOf, since, stateOf } from './tasks.js';
import { link } from './app.js';
import { number, t } from './words.js';

const LINES = 6;

export function open(main) {
  let died = new Map();
  let stuck = new Map();
  const clock = h('time.clock');
  const tiles = h('div.tiles');
  const left = h('ul.lines');
  const right = h('ul.lines');
  fill(main, h('div.wall', null, h('h1.hidden', null, t('view.now')), h('header', null, clock), tiles,
    h('div.two', null, h('section', null, h('h2', null, t('now.died')), left), h('section', null, h('h2', null, t('now.stuck')), right))));

  async function read() {
    try {
      const [dead, waits] = await Promise.all([
        ask('Query', { where: { status: ['shutdown', 'failed'] }, order: '-rev', limit: 50 }),
        ask('Query', { where: { class: 'waiting' }, order: 'rev', limit: 50 }),
        figures(),
      ]);
      died = new Map(dead.tasks.map((one) => [one.id, one]));
      stuck = new Map(waits.tasks.map((one) => [one.id, one]));
      paint();
    } catch (error) { explain(error); }
  }

  const paint = onFrame(() => {
    const states = known.figures?.states ?? {};
    const hour = (known.figures?.day ?? []).slice(-4).reduce((sum, one) => sum + (one.events.died ?? 0), 0);
    const deadServices = known.services.filter((one) => one.state === 'dead').length;
    const tile = (name, value, kind, view, filters) => h(`a.tile.${kind}`, { href: link(view, '', new URLSearchParams(filters)) }, h('strong', null, typeof value === 'number' ? number(value) : value), h('span', null, t(`now.${name}`)));
    fill(tiles,
      tile('running', states.live ?? 0, 'live', 'list', { state: 'live' }),
      tile('free', states['待领取'] ?? 0, 'free', 'list', { state: 'free' }),
      tile('work', (states['已领取'] ?? 0) + (states['编辑中'] ?? 0), 'editing', 'list', { state: 'work' }),
      tile('review', states['待审核'] ?? 0, 'review', 'list', { state: 'review' }),
      tile('hour', hour, hour ? 'dead' : 'calm', 'list', { state: 'dead' }),
      tile('services', `${known.services.length - deadServices}/${known.services.length}`, deadServices ? 'dead' : 'calm', 'services', {}));
    // A dead service is one line, and its tasks have none: the hundreds that died with it would fill the screen.
    const gone = known.services.filter((one) => one.state === 'dead');
    const urls = new Set(gone.map((one) => one.url));
    const lines = [
      ...gone.map((one) => ({ at: one.since, node: h('li.service', null, h('span.badge.dead', null, t('service.dead')), h('a', { href: link('services') }, one.name || one.url), since(one.since)) })),
      ...[...died.values()].filter((one) => !urls.has(one.url)).map((one) => ({ at: one.shutdown_at || one.updated_at, node: line(one, one.shutdown_at || one.updated_at) })),
    ].sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, LINES);
    fill(left, lines.length ? lines.map((one) => one.node) : h('li.nothing', null, t('now.died.none')));
    const oldest = [...stuck.values()].sort((a, b) => (a.updated_at < b.updated_at ? -1 : 1)).slice(0, LINES);
    fill(right, oldest.length ? oldest.map((one) => line(one, one.updated_at)) : h('li.nothing', null, t('now.stuck.none')));
    tick();
  });

  function line(task, at) {
    return h('li', null, badge(task.status), h('a', { href: link('task', task.id) }, task.name || task.id), h('span.who', null, task.user ? nameOf(task.user) : task.group_id), since(at));
  }

  function take(events) {
    for (const { kind, task } of events) {
      died.delete(task.id);
      const old = stuck.has(task.id);
      stuck.delete(task.id);
      if (kind === 'gone') continue;
      if (columnOf(task) === 'dead') died.set(task.id, task);
      else if (['free', 'claimed', 'editing', 'review'].includes(stateOf(task.status)) && (old || stuck.size < 50)) stuck.set(task.id, task);
    }
    if (died.size > 200) died = new Map([...died.values()].sort((a, b) => b.rev - a.rev).slice(0, 50).map((one) => [one.id, one]));
    // Fewer tasks are left here than there are lines, and the daemon has more: read the oldest again.
    if (stuck.size < LINES && (known.figures?.states?.['待领取'] ?? 0) > LINES) readLater();
    paint();
  }

  let asked = 0;
  function readLater() {
    if (Date.now() - asked < 5000) return;
    asked = Date.now();
    read();
  }

  function tick() {
    const text = new Date(now()).toLocaleTimeString(document.documentElement.lang, { hour: '2-digit', minute: '2-digit' });
    if (clock.textContent !== text) clock.textContent = text;
  }

  const timer = setInterval(tick, 1000);
  const offs = [on('events', take), on('afresh', read), on('figures', paint), on('services', paint), on('people', paint)];
  read();
  paint();
  return () => { clearInterval(timer); offs.forEach((off) => off()); };
}


