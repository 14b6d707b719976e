// The page's connection to the daemon: one websocket for requests, replies and events. When it breaks, a
// new one is opened, and the daemon resumes after the last rev that the page knows.

const listeners = { events: new Set(), afresh: new Set(), people: new Set(), services: new Set(), figures: new Set(), state: new Set() };

export const known = { me: null, people: new Map(), services: [], figures: null, rev: null, sight: '', skew: 0, open: false };

let socket = null;
let seq = 0;
let waits = 0;
let timer = 0;
let closed = true;
let bearer = '';
const asked = new Map();

/** Call a function at each event of a kind, a key of `listeners`. Returns the function that ends this. */
export function on(kind, call) {
  listeners[kind].add(call);
  return () => listeners[kind].delete(call);
}

function tell(kind, value) {
  for (const call of [...listeners[kind]]) call(value);
}

/** Ask by a token from now on, as nobody in particular: cookies are left out. */
export function carry(token) { bearer = token; }

const signed = () => (bearer ? { headers: { authorization: `Bearer ${bearer}` }, credentials: 'omit' } : {});

const AWAY = { errid: -1, detail: null };

class Refused extends Error {
  constructor(reply) {
    super(reply.detail ?? reply.errmsg);
    this.errid = reply.errid;
    this.cause = reply.cause;
    this.values = reply.values;
  }
}

/**
 * POST an operation. Login and Logout must go this way: the websocket cannot set the cookie.
 * @template {keyof import('./requests').Requests} Op
 * @param {Op} op
 * @param {import('./requests').Requests[Op]} body
 */
export async function post(op, body) {
  let reply;
  try {
    const answer = await fetch(`/api/v1/${op}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    reply = await answer.json();
  } catch {
    throw new Refused(AWAY);
  }
  if (reply.errid) throw new Refused(reply);
  return reply;
}

/**
 * Ask over the websocket. Without a connection a read waits for the next one, and a write is refused.
 * @template {keyof import('./requests').Requests} Op
 * @param {Op} op
 * @param {import('./requests').Requests[Op]} [body]
 */
export function ask(op, body = {}) {
  return new Promise((resolve, reject) => {
    // A write that waited would be done some time later, when the person no longer looks: refuse it now.
    if (closed || (!READS.has(op) && socket?.readyState !== WebSocket.OPEN)) { reject(new Refused(AWAY)); return; }
    const number = ++seq;
    asked.set(number, { resolve, reject, text: JSON.stringify({ seq: number, op, body }), sent: false, reads: READS.has(op) });
    send();
  });
}

const READS = new Set(['Query', 'Find', 'Audit', 'People', 'Services', 'Figures', 'Status']);

function send() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  for (const one of asked.values()) {
    if (one.sent) continue;
    one.sent = true;
    socket.send(one.text);
  }
}

export function connect() {
  if (!closed) return;
  closed = false;
  open();
}

/** Ask what the sign-in form must know, and who the cookie says has signed in; null if nobody answers. */
export const about = () => fetch('/api/v1/about', signed()).then((answer) => answer.json()).catch(() => null);

export function disconnect() {
  closed = true;
  clearTimeout(timer);
  socket?.close();
  socket = null;
  // The next person may sign in on this page: requests that still wait would be sent in their name.
  for (const one of asked.values()) one.reject(new Refused(AWAY));
  asked.clear();
  Object.assign(known, { me: null, rev: null, figures: null, services: [] });
  known.people.clear();
}

function open() {
  clearTimeout(timer);
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const since = known.rev === null ? '' : `?since=${known.rev}&sight=${known.sight}`;
  // A page can set no header of a websocket but its protocols: the token is one of them.
  const mine = socket = new WebSocket(`${scheme}://${location.host}/ws${since}`, bearer ? ['taskdash', `bearer.${bearer}`] : []);
  mine.onmessage = (message) => { if (mine === socket) take(JSON.parse(message.data)); };
  mine.onclose = (event) => { if (mine === socket) lost(event); };
}

async function lost(event) {
  const greeted = known.open;
  socket = null;
  known.open = false;
  for (const [number, one] of asked) {
    // Reads are sent again on the next connection. A write whose reply is lost may have been done, and sent again
    // would be done twice: it fails.
    if (one.reads) one.sent = false;
    else if (one.sent) { asked.delete(number); one.reject(new Refused(AWAY)); }
  }
  // The browser hides why a websocket was refused. The person may have been signed out meanwhile: ask over HTTP.
  const isOut = event.code === 1008 || (!greeted && !closed && isNobody(await about()));
  if (closed) return;
  tell('state', isOut ? 'out' : 'lost');
  if (isOut || socket) return;
  const pause = Math.min(10000, 250 * 2 ** waits++) * (0.5 + Math.random());
  timer = setTimeout(open, pause);
}

const isNobody = (asks) => (bearer ? asks?.errid === 1003 : asks?.user === '');

// A laptop that wakes, or a network that is back, need not wait for the next try.
for (const kind of ['online', 'focus', 'pageshow']) addEventListener(kind, hurry);
document.addEventListener('visibilitychange', () => { if (!document.hidden) hurry(); });

function hurry() {
  if (!closed && !socket) { waits = 0; open(); }
}

function take(message) {
  if (message.seq !== undefined) {
    const one = asked.get(message.seq);
    asked.delete(message.seq);
    if (!one) return;
    if (message.errid) one.reject(new Refused(message));
    else one.resolve(message);
    return;
  }
  if (message.me) {
    known.me = message.me;
    known.sight = message.me.sight;
    known.skew = Date.parse(message.now) - Date.now();
    known.open = true;
    waits = 0;
    known.rev ??= message.rev;
  }
  // A greeting carries all people and services, as does what a page is told that has caught up; a later message only
  // those that have changed.
  const whole = message.me || message.whole;
  if (message.people) {
    const byNumber = new Map(whole ? [] : known.people);
    for (const one of message.people) one.name === null ? byNumber.delete(one.user) : byNumber.set(one.user, one);
    known.people = byNumber;
    tell('people');
  }
  if (message.services) {
    const byUrl = new Map(whole ? [] : known.services.map((one) => [one.url, one]));
    for (const one of message.services) one.state === null ? byUrl.delete(one.url) : byUrl.set(one.url, one);
    known.services = [...byUrl.values()];
    tell('services');
  } else if (message.me) known.services = [];
  if (message.figures) { known.figures = merged(message.figures); tell('figures'); }
  if (message.me) { tell('state', 'open'); send(); }
  if (message.events?.length) tell('events', message.events);
  if (message.afresh) tell('afresh');
  if (message.events || message.afresh) known.rev = message.rev;
}

function merged(news) {
  const old = known.figures?.day ?? [];
  const first = news.day[0]?.at ?? 0;
  const kept = old.filter((one) => one.at < first && one.at > first - 86400 - news.bucket);
  return { ...news, day: [...kept, ...news.day] };
}

/** Get the whole day's figures. */
export async function figures() {
  known.figures = await ask('Figures');
  tell('figures');
}

export const now = () => Date.now() + known.skew;
export const nameOf = (user) => known.people.get(user)?.name ?? user;
