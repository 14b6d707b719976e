// The page: who looks, which view, and what the keys do.

import { closeDialogs, dialog, fill, h, isForPage, toast } from './dom.js';
import { about, carry, connect, disconnect, known, nameOf, on, post } from './feed.js';
import { KEYS, reason } from './acts.js';
import { face, stateOf } from './tasks.js';
import { LANGUAGES, chosen, language, load, ready, t } from './words.js';

const VIEWS = ['board', 'list', 'people', 'services', 'now', 'day'];
const OF_LIST = ['state', 'by', 'sort'];
const RETRY_MS = 3000;
const bar = document.getElementById('bar');
const main = document.getElementById('main');
const offline = document.getElementById('offline');
let leave = () => {};
let shown = '';
let seen = 0;
let typed = JSON.parse(localStorage.getItem('who') ?? '{}');

// A screen on a wall: one view, no person, and in the place of the hash a token.
const wall = location.pathname === '/wall';

/** Where the page is: its view, what that is about, and the filters, all in the URL. */
export function place() {
  if (wall) return { view: 'now', about: '', filters: new URLSearchParams() };
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [view = '', ...rest] = path.split('/');
  let what = rest.join('/');
  try { what = decodeURIComponent(what); } catch { /* A stray % in a URL that somebody typed: take the text as it is. */ }
  return { view: VIEWS.includes(view) || view === 'task' ? view : 'board', about: what, filters: new URLSearchParams(query) };
}

export function link(view, about = '', filters = place().filters) {
  if (wall) return null;
  const kept = new URLSearchParams(filters);
  if (view !== 'list') for (const name of OF_LIST) kept.delete(name);
  const query = kept.toString();
  return `#/${view}${about ? `/${encodeURIComponent(about)}` : ''}${query ? `?${query}` : ''}`;
}

/** Change the filters in the URL; a view looks at them again. */
export function refine(changes) {
  const { view, about, filters } = place();
  for (const [name, value] of Object.entries(changes)) value ? filters.set(name, value) : filters.delete(name);
  history.replaceState(null, '', link(view, about, filters));
  dispatchEvent(new Event('refined'));
  paintBar(view);
}

async function show() {
  const { view, about } = place();
  const wanted = `${view}/${about}/${language}`;
  paintBar(view);
  if (wanted === shown) { dispatchEvent(new Event('refined')); return; }
  shown = wanted;
  seen++;
  try {
    const { open } = await import(`./${view}.js`);
    if (shown !== wanted) return;
    leave();
    closeDialogs();
    document.title = `${view === 'task' ? about : t(`view.${view}`)} · TaskDash`;
    document.body.dataset.view = view;
    main.replaceChildren();
    leave = open(main, about) ?? (() => {});
    main.scrollTop = 0;
  } catch (error) {
    // The view's file could not be fetched: forget that it is shown, so that the next connection fetches it again.
    if (shown === wanted) shown = '';
    if (known.open) throw error;
  }
}

function paintBar(view) {
  if (wall) return;
  bar.hidden = false;
  fill(bar,
    h('a.brand', { href: link('board'), 'aria-label': 'TaskDash' }, h('img', { src: '/static/icon.svg', alt: '', width: 24, height: 24 }), h('span', null, 'TaskDash')),
    h('nav', { 'aria-label': t('nav') }, VIEWS.map((name, n) => h('a', { href: link(name), dataset: { k: name }, 'aria-current': name === view ? 'page' : null, title: `${t(`view.${name}`)} (${n + 1})` }, t(`view.${name}`)))),
    h('div.tools', null,
      h('button.icon', { onclick: help, title: `${t('help')} (?)`, 'aria-label': t('help') }, '?'),
      h('select', { 'aria-label': t('language'), dataset: { k: 'language' }, onchange: (event) => speak(event.target.value) },
        Object.entries(LANGUAGES).map(([name, label]) => h('option', { value: name, selected: name === language, lang: name }, label))),
      h('button.icon', { onclick: dim, title: t('theme'), 'aria-label': t('theme') }, theme() === 'dark' ? '☀' : '☾'),
      known.me?.user && h('button.me', { onclick: signOut, title: t('signout'), 'aria-label': `${nameOf(known.me.user)}: ${t('signout')}` }, face(known.me.user), h('span', null, nameOf(known.me.user)))));
  bar.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

async function speak(name) {
  localStorage.setItem('language', name);
  const form = main.querySelector('form.signin');
  if (form) typed = Object.fromEntries(new FormData(form));
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

function help() {
  const rows = [['1 – 6', t('keys.views')], ['/', t('keys.search')], ['← ↑ ↓ →', t('keys.move')], ['Enter', t('keys.open')], ['Esc', t('keys.back')],
    ...Object.entries(KEYS).map(([name, key]) => [key, t(`act.${name}`)]), ['t', t('theme')], ['?', t('help')]];
  dialog(t('help'), h('dl.keys', null, rows.map(([key, about]) => [h('dt', null, h('kbd', null, key)), h('dd', null, about)])), t('close'));
}

addEventListener('keydown', (event) => {
  if (wall || !known.me || event.isComposing) return;
  if (event.key === 'Escape' && !document.querySelector('dialog[open]')) {
    if (event.target.closest?.('input, textarea, select')) event.target.blur();
    // Where this is the first view, history.back() would leave the page for the site before it: go to the list.
    else if (place().view === 'task') seen > 1 ? history.back() : (location.hash = link('list'));
    return;
  }
  if (!isForPage(event)) return;
  const view = VIEWS[Number(event.key) - 1];
  if (view) location.hash = link(view);
  else if (event.key === '?') help();
  else if (event.key === 't') dim();
  else if (event.key === '/') { const field = document.querySelector('input[type=search]'); if (!field) return; field.focus(); field.select(); } else return;
  event.preventDefault();
});

// Signing in

async function signIn(error = '') {
  closeDialogs();
  bar.hidden = true;
  offline.hidden = true;
  shown = '';
  leave();
  leave = () => {};
  document.body.dataset.view = 'signin';
  document.title = `${t('signin')} · TaskDash`;
  main.replaceChildren();
  const asks = await about();
  if (known.me || document.body.dataset.view !== 'signin') return;
  if (!asks) {
    fill(main, h('div.welcome', { role: 'status' }, h('h1', null, 'TaskDash'), h('p', null, t('error.away'))));
    setTimeout(() => { if (document.body.dataset.view === 'signin') begin(); }, RETRY_MS);
    return;
  }
  const said = asks.passwords ? 'signin.about.password' : asks.sign_up ? 'signin.about' : 'signin.about.known';
  const form = h('form.signin', { onsubmit: (event) => { event.preventDefault(); enter(form); } },
    h('img', { src: '/static/icon.svg', alt: '', width: 48, height: 48 }), h('h1', null, 'TaskDash'),
    h('p', null, t(said)),
    h('label.field', null, t('person.user'), h('input', { name: 'user', required: true, maxlength: 64, autocomplete: 'username', value: typed.user ?? '' })),
    h('label.field', null, t('person.name'), h('input', { name: 'name', maxlength: 64, autocomplete: 'name', value: typed.name ?? '' })),
    asks.passwords ? password(true) : h('details', { open: Boolean(typed.password) }, h('summary', null, t('signin.password')), password(false)),
    h('p.error', { role: 'alert' }, error),
    h('button.primary', null, t('signin')),
    h('div.row.center', null, Object.entries(LANGUAGES).map(([name, label]) => h('button.link', { type: 'button', lang: name, onclick: () => speak(name), 'aria-pressed': String(name === language) }, label))));
  fill(main, form);
  form.querySelector(error ? 'input[type=password]' : typed.user ? 'button.primary' : 'input')?.focus();
}

const password = (required) => h('label.field', null, t('person.password'), h('input', { name: 'password', type: 'password', required, autocomplete: 'current-password', value: typed.password ?? '' }));

async function enter(form, more = {}) {
  const button = form.querySelector('button.primary');
  if (button.disabled) return;
  button.disabled = true;
  typed = Object.fromEntries(new FormData(form));
  const given = { ...typed };
  try {
    const reply = await post('Login', { ...given, ...more });
    if (reply.confirm) { warn(form, reply); return; }
    typed = { user: reply.user, name: reply.name };
    localStorage.setItem('who', JSON.stringify(typed));
    if (reply.welcome) toast(t('signin.welcome', { name: reply.name }), { ms: 8000 });
    main.replaceChildren();
    connect();
  } catch (error) {
    signIn(reason(error));
  }
}

/** Warn of a sign-in from another address than last time, and give the person a moment to back out. */
function warn(form, reply) {
  let left = reply.wait;
  let over = false;
  const at = (stamp) => new Date(stamp).toLocaleString(document.documentElement.lang);
  const count = h('strong', null, left);
  const stop = (go) => {
    if (over) return;
    over = true;
    clearInterval(timer);
    form.querySelector('button.primary').disabled = false;
    go ? enter(form, { confirm: reply.confirm }) : signIn();
  };
  const timer = setInterval(() => { count.textContent = --left; if (left <= 0) stop(true); }, 1000);
  leave = () => clearInterval(timer);
  fill(main, h('div.signin.warn', { role: 'alertdialog', 'aria-labelledby': 'warned' },
    h('h1', { id: 'warned' }, t('warn.title')),
    h('p', null, t('warn.about', { user: reply.user, address: reply.last.address, at: at(reply.last.at) })),
    reply.last.did.length > 0 && h('div', null, h('h2', null, t('warn.did')),
      h('ul.plain', null, reply.last.did.map((one) => h('li', null, `${at(one.at)} · ${one.task}${one.why ? ` · ${one.why}` : ''}`)))),
    h('p', null, t('warn.wait'), ' ', count),
    h('div.row.end', null, h('button.primary', { onclick: () => stop(false) }, t('warn.back')), h('button', { onclick: () => stop(true) }, t('warn.go')))));
  main.querySelector('button.primary').focus();
}

async function signOut() {
  const given = await dialog(t('signout'), h('div', null, h('p', null, t('signout.about', { name: known.me.name })),
    h('label.check', null, h('input', { type: 'checkbox', name: 'everywhere' }), ` ${t('signout.everywhere')}`)), t('signout'), t('cancel'));
  if (!given || !known.me) return;
  try {
    await post('Logout', { everywhere: given.everywhere === 'on' });
  } catch {
    toast(t('error.away'), { kind: 'bad' });
    return;
  }
  out();
}

function out() {
  if (document.body.dataset.view === 'signin') return;
  disconnect();
  wall ? dark() : signIn();
}

on('state', (state) => {
  if (state === 'out') { out(); return; }
  offline.hidden = state === 'open';
  offline.textContent = state === 'open' ? '' : t('offline');
  // After a reconnect the daemon sends all events since the last rev: the view stays, and asks for nothing.
  if (state === 'open' && ready()) shown ? paintBar(place().view) : show();
});

// Tell people that others have assigned them a task, freed theirs, or rejected their work. The act's time equals
// updated_at only in the event of the act itself, so a later change of the task is not told as the act again.
on('events', (events) => {
  for (const { kind, task } of events) {
    if (kind === 'gone' || !task.reason || !known.me?.user) continue;
    const state = stateOf(task.status);
    if (state === 'free' && task.freed_from === known.me.user && task.free_since === task.updated_at) toast(t('told.freed', { name: task.name, word: task.reason }), { kind: 'note', ms: 12000 });
    if (task.user !== known.me.user) continue;
    if (state === 'claimed' && task.claimed_at === task.updated_at) toast(t('told.assigned', { name: task.name, word: task.reason }), { kind: 'note', ms: 12000 });
    if (state === 'editing' && task.checked_at === task.updated_at) toast(t('told.rejected', { name: task.name, word: task.reason }), { kind: 'note', ms: 12000 });
  }
});

const skip = document.getElementById('skip');
// The hash says which view is open: following the link to #main would close it, so move only the focus.
skip.addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
function paintSkip() { skip.textContent = t('skip'); }

addEventListener('hashchange', () => { if (wall) location.reload(); closeDialogs(); if (known.me) show(); });

/** Say that the screen's token is worth nothing. */
function dark() {
  shown = '';
  leave();
  leave = () => {};
  offline.hidden = true;
  document.body.dataset.view = 'dark';
  fill(main, h('div.welcome', { role: 'status' }, h('h1', null, 'TaskDash'), h('p', null, t('wall.over'))));
}

async function beginWall() {
  skip.hidden = bar.hidden = true;
  carry(location.hash.slice(1));
  await load(chosen());
  location.hash.length > 1 ? connect() : dark();
}

async function begin() {
  const asked = about();
  // Connect while the words are still being fetched.
  asked.then((asks) => { if (asks?.user) connect(); });
  if (!ready()) await load(chosen());
  paintSkip();
  const asks = await asked;
  if (!asks?.user) signIn();
  else if (known.open && !shown) show();
  // Fetch the other views ahead: without the network they could not be opened.
  if (asks?.user) setTimeout(() => { for (const view of [...VIEWS, 'task']) import(`./${view}.js`).catch(() => {}); }, 1500);
}

if (localStorage.getItem('theme')) document.documentElement.dataset.theme = localStorage.getItem('theme');
wall ? beginWall() : begin();
