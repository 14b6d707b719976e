// The page: who looks, which view, and what the keys do.

import { calm, fill, h, toast } from './dom.js';
import { connect, disconnect, known, nameOf, on, post } from './feed.js';
import { face, stateOf } from './tasks.js';
import { LANGUAGES, chosen, language, load, ready, t } from './words.js';

const VIEWS = ['board', 'list', 'people', 'services', 'now', 'day'];
const bar = document.getElementById('bar');
const main = document.getElementById('main');
const offline = document.getElementById('offline');
let leave = () => {};
let shown = '';
let typed = JSON.parse(localStorage.getItem('who') ?? '{}');

/** Where the page is: its view, what that is about, and the filters, all in the URL. */
export function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [view = '', ...rest] = path.split('/');
  return { view: VIEWS.includes(view) || view === 'task' ? view : 'board', about: decodeURIComponent(rest.join('/')), filters: new URLSearchParams(query) };
}

export function link(view, about = '', filters = place().filters) {
  const query = filters.toString();
  return `#/${view}${about ? `/${encodeURIComponent(about)}` : ''}${query ? `?${query}` : ''}`;
}

/** Change the filters in the URL; a view looks at them again. */
export function refine(changes) {
  const { view, about, filters } = place();
  for (const [name, value] of Object.entries(changes)) value ? filters.set(name, value) : filters.delete(name);
  history.replaceState(null, '', link(view, about, filters));
  dispatchEvent(new Event('refined'));
}

async function show() {
  const { view, about } = place();
  const wanted = `${view}/${about}/${language}`;
  paintBar(view);
  if (wanted === shown) { dispatchEvent(new Event('refined')); return; }
  shown = wanted;
  const { open } = await import(`./${view}.js`);
  if (shown !== wanted) return;
  leave();
  document.title = `${view === 'task' ? about : t(`view.${view}`)} · TaskDash`;
  document.body.dataset.view = view;
  main.replaceChildren();
  leave = open(main, about) ?? (() => {});
  main.scrollTop = 0;
}

function paintBar(view) {
  bar.hidden = false;
  fill(bar,
    h('a.brand', { href: link('board'), 'aria-label': 'TaskDash' }, h('img', { src: '/static/icon.svg', alt: '', width: 24, height: 24 }), h('span', null, 'TaskDash')),
    h('nav', { 'aria-label': t('nav') }, VIEWS.map((name, n) => h('a', { href: link(name), 'aria-current': name === view ? 'page' : null, title: `${t(`view.${name}`)} (${n + 1})` }, t(`view.${name}`)))),
    h('div.tools', null,
      h('button.icon', { onclick: help, title: `${t('help')} (?)`, 'aria-label': t('help') }, '?'),
      h('select', { 'aria-label': t('language'), onchange: (event) => speak(event.target.value) },
        Object.entries(LANGUAGES).map(([name, label]) => h('option', { value: name, selected: name === language, lang: name }, label))),
      h('button.icon', { onclick: dim, title: t('theme'), 'aria-label': t('theme') }, theme() === 'dark' ? '☀' : '☾'),
      known.me?.user && h('button.me', { onclick: signOut, title: t('signout') }, face(known.me.user), h('span', null, nameOf(known.me.user)))));
}

async function speak(name) {
  localStorage.setItem('language', name);
  await load(name);
  paintSkip();
  known.me ? show() : signIn();
}

const theme = () => document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

function dim() {
  const wanted = theme() === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', wanted);
  document.documentElement.dataset.theme = wanted;
  paintBar(place().view);
}

async function help() {
  const { dialog } = await import('./dom.js');
  const { KEYS } = await import('./acts.js');
  const rows = [['1 – 6', t('keys.views')], ['/', t('keys.search')], ['← ↑ ↓ →', t('keys.move')], ['Enter', t('keys.open')], ['Esc', t('keys.back')],
    ...Object.entries(KEYS).map(([name, key]) => [key, t(`act.${name}`)]), ['t', t('theme')], ['?', t('help')]];
  dialog(t('help'), h('dl.keys', null, rows.map(([key, about]) => [h('dt', null, h('kbd', null, key)), h('dd', null, about)])), t('close'));
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !known.me || document.querySelector('dialog[open]')) return;
  const typing = event.target.closest?.('input, textarea, select');
  if (event.key === 'Escape') { typing ? event.target.blur() : place().view === 'task' && history.back(); return; }
  if (typing) return;
  const view = VIEWS[Number(event.key) - 1];
  if (view) location.hash = link(view);
  else if (event.key === '?') help();
  else if (event.key === 't') dim();
  else if (event.key === '/') { const field = document.querySelector('input[type=search]'); if (!field) return; field.focus(); field.select(); } else return;
  event.preventDefault();
});

// Signing in

async function signIn(error = '') {
  bar.hidden = true;
  shown = '';
  leave();
  leave = () => {};
  document.body.dataset.view = 'signin';
  document.title = `${t('signin')} · TaskDash`;
  const about = await (await fetch('/api/v1/about')).json().catch(() => ({}));
  const form = h('form.signin', { onsubmit: (event) => { event.preventDefault(); enter(Object.fromEntries(new FormData(form))); } },
    h('img', { src: '/static/icon.svg', alt: '', width: 48, height: 48 }), h('h1', null, 'TaskDash'),
    h('p', null, t(about.passwords ? 'signin.about.password' : 'signin.about')),
    h('label.field', null, t('person.user'), h('input', { name: 'user', required: true, maxlength: 64, autocomplete: 'username', value: typed.user ?? '' })),
    h('label.field', null, t('person.name'), h('input', { name: 'name', maxlength: 64, autocomplete: 'name', value: typed.name ?? '' })),
    about.passwords ? password(true) : h('details', null, h('summary', null, t('signin.password')), password(false)),
    h('p.error', { role: 'alert' }, error),
    h('button.primary', null, t('signin')),
    h('div.row.center', null, Object.entries(LANGUAGES).map(([name, label]) => h('button.link', { type: 'button', lang: name, onclick: () => speak(name), 'aria-pressed': String(name === language) }, label))));
  fill(main, form);
  form.querySelector(typed.user ? 'button.primary' : 'input').focus();
}

const password = (required) => h('label.field', null, t('person.password'), h('input', { name: 'password', type: 'password', required, autocomplete: 'current-password' }));

async function enter(given) {
  typed = { user: given.user, name: given.name };
  try {
    const reply = await post('Login', given);
    if (reply.confirm) { warn(given, reply); return; }
    localStorage.setItem('who', JSON.stringify({ user: reply.user, name: reply.name }));
    if (reply.welcome) toast(t('signin.welcome', { name: reply.name }), { ms: 8000 });
    main.replaceChildren();
    connect();
  } catch (error) {
    signIn(error.errid === -1 ? t('error.away') : error.message);
  }
}

/** Somebody comes from another address: say so, and give them a moment to back out. */
function warn(given, reply) {
  let left = reply.wait;
  const count = h('strong', { 'aria-live': 'polite' }, left);
  const stop = (go) => {
    clearInterval(timer);
    go ? enter({ ...given, confirm: reply.confirm }) : signIn();
  };
  const timer = setInterval(() => { count.textContent = --left; if (left <= 0) stop(true); }, 1000);
  leave = () => clearInterval(timer);
  fill(main, h('div.signin.warn', { role: 'alertdialog', 'aria-labelledby': 'warned' },
    h('h1', { id: 'warned' }, t('warn.title')),
    h('p', null, t('warn.about', { user: reply.user, address: reply.last.address, at: new Date(reply.last.at).toLocaleString() })),
    reply.last.did.length > 0 && h('div', null, h('h2', null, t('warn.did')),
      h('ul.plain', null, reply.last.did.map((one) => h('li', null, `${new Date(one.at).toLocaleString()} · ${one.task}${one.why ? ` · ${one.why}` : ''}`)))),
    h('p', null, t('warn.wait'), ' ', count),
    h('div.row.end', null, h('button.primary', { onclick: () => stop(false) }, t('warn.back')), h('button', { onclick: () => stop(true) }, t('warn.go')))));
  main.querySelector('button.primary').focus();
}

async function signOut() {
  const { dialog } = await import('./dom.js');
  const given = await dialog(t('signout'), h('div', null, h('p', null, t('signout.about', { name: known.me.name })),
    h('label.check', null, h('input', { type: 'checkbox', name: 'everywhere' }), ` ${t('signout.everywhere')}`)), t('signout'), t('cancel'));
  if (!given) return;
  await post('Logout', { everywhere: given.everywhere === 'on' }).catch(() => {});
  disconnect();
  signIn();
}

on('state', (state) => {
  if (state === 'out') { disconnect(); signIn(); return; }
  offline.hidden = state === 'open';
  offline.textContent = state === 'open' ? '' : t('offline');
  // Who comes back is told what they have missed: the view need not ask for it.
  if (state === 'open' && ready()) shown ? paintBar(place().view) : show();
});

// Somebody gave me a task, or took one away: that is worth a word.
on('events', (events) => {
  for (const { kind, task } of events) {
    if (kind === 'gone' || !task.reason || !known.me?.user) continue;
    if (task.user === known.me.user && stateOf(task.status) === 'claimed') toast(t('told.assigned', { name: task.name, word: task.reason }), { kind: 'note', ms: 12000 });
    if (task.user === known.me.user && stateOf(task.status) === 'editing') toast(t('told.rejected', { name: task.name, word: task.reason }), { kind: 'note', ms: 12000 });
  }
});

function paintSkip() { document.getElementById('skip').textContent = t('skip'); }

addEventListener('hashchange', () => { if (known.me) show(); });

document.documentElement.classList.toggle('calm', calm());
if (localStorage.getItem('theme')) document.documentElement.dataset.theme = localStorage.getItem('theme');
const asked = fetch('/api/v1/about').then((answer) => answer.json()).catch(() => ({}));
const spoken = load(chosen());
// The connection is made while the words are still on their way.
if ((await asked).user) connect();
await spoken;
paintSkip();
if (!(await asked).user) signIn();
else if (known.open) show();
