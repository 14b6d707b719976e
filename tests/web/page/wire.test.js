// The page's connection, with a websocket and clocks of the test's own.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { AWAY, LATE, UNKNOWN } from '../../../taskdashd/web/static/wire/refused.js';
import { Wire } from '../../../taskdashd/web/static/wire/wire.js';

const OPEN = 1;
const ME = { user: '1', name: 'Ann', role: 'worker', groups: [], leads: [], sight: 's' };

/** Every websocket that was opened. @type {any[]} */
let sockets;
/** What the page is told of who is signed in; null where nobody answers. */
let about;
let wall;
let steady;

class Socket {
  static OPEN = OPEN;

  constructor(url) {
    Object.assign(this, { url, readyState: 0, sent: [], isClosed: false });
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  tell(message) {
    this.readyState = OPEN;
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  greet(beat = 1000) {
    this.tell({ beat });
    this.tell({ me: ME, now: '2027-01-01T00:00:00Z', rev: 7 });
  }

  end(code) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  sockets = [];
  about = { user: '1' };
  wall = 1_000_000;
  steady = 0;
  mock.restoreAll();
  mock.method(Date, 'now', () => wall);
  mock.method(performance, 'now', () => steady);
  mock.method(Math, 'random', () => 0.5);
  globalThis.WebSocket = /** @type {any} */ (Socket);
  globalThis.document = /** @type {any} */ (new EventTarget());
  globalThis.addEventListener = () => {};
  globalThis.fetch = /** @type {any} */ (
    async () => {
      if (about === null) {
        throw new TypeError('no network');
      }
      return { json: async () => about };
    }
  );
});

/** Let time pass on all clocks. @param {number} ms */
function pass(ms) {
  for (let left = ms; left > 0; left -= 250) {
    steady += Math.min(left, 250);
    wall += Math.min(left, 250);
    mock.timers.tick(Math.min(left, 250));
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

function begun() {
  const wire = new Wire('ws://x/ws');
  wire.connect(null);
  sockets[0].greet();
  assert.equal(wire.state, 'open');
  return wire;
}

/** @param {Promise<unknown>} asked @returns {{ errid?: number, answer?: unknown }} filled later */
function outcome(asked) {
  const told = {};
  asked.then(
    (answer) => Object.assign(told, { answer }),
    (error) => Object.assign(told, { errid: error.errid ?? error.name, values: error.values }),
  );
  return told;
}

test('a daemon that beats is there; fifteen seconds without a word, and it is lost', () => {
  const wire = begun();
  for (let n = 0; n < 10; n++) {
    pass(5000);
    sockets[0].tell({ beat: n });
  }
  assert.equal(wire.state, 'open');
  pass(14_750);
  assert.equal(wire.state, 'open');
  pass(1500);
  assert.equal(wire.state, 'lost');
  assert.equal(sockets[0].isClosed, true);
});

test('a clock that is set back does not make a dead connection live', () => {
  const wire = begun();
  wall = 1;
  pass(16_500);
  assert.equal(wire.state, 'lost');
});

test('an act pressed as the machine wakes is not sent into a dead connection', async () => {
  const wire = begun();
  // Timers have not run yet: the machine has slept.
  wall += 8 * 3600_000;
  const told = outcome(wire.ask('Claim', { id: 'a' }));
  await settle();
  assert.equal(told.errid, AWAY);
  assert.equal(told.values.since, new Date(1_000_000).toISOString());
  assert.deepEqual(sockets[0].sent, []);
});

test('while nothing is heard acts are refused at once, and none is kept', async () => {
  const wire = begun();
  pass(16_500);
  const told = outcome(wire.ask('Claim', { id: 'a' }));
  await settle();
  assert.equal(told.errid, AWAY);
  pass(500);
  sockets.at(-1).greet();
  assert.equal(wire.state, 'open');
  assert.deepEqual(sockets.at(-1).sent, []);
});

test('an act in the moment in which the connection closes is refused, and not kept', async () => {
  const wire = begun();
  sockets[0].readyState = 2;
  const told = outcome(wire.ask('Claim', { id: 'a' }));
  await settle();
  assert.equal(told.errid, AWAY);
  sockets[0].end(1006);
  pass(500);
  sockets.at(-1).greet();
  assert.deepEqual(sockets.at(-1).sent, []);
});

test('an act says by when to do it, and is not known after five seconds', async () => {
  const wire = begun();
  pass(2000);
  const told = outcome(wire.ask('Claim', { id: 'a' }));
  assert.deepEqual(sockets[0].sent, [
    { seq: 1, op: 'Claim', body: { id: 'a' }, by: 1000 + 2000 + 5000 },
  ]);
  pass(4750);
  await settle();
  assert.deepEqual(told, {});
  pass(250);
  await settle();
  assert.equal(told.errid, UNKNOWN);
});

test('the time of a daemon that was started again is learned anew', () => {
  const wire = begun();
  sockets[0].end(1001);
  pass(500);
  sockets[1].greet(50);
  wire.ask('Claim', { id: 'a' }).catch(() => {});
  assert.equal(sockets[1].sent[0].by, 50 + 5000);
});

test('a read waits for the next connection, however long, and is asked there', async () => {
  const wire = begun();
  const told = outcome(wire.ask('Query', {}));
  assert.equal(sockets[0].sent.length, 1);
  about = null;
  pass(60_000);
  await settle();
  assert.deepEqual(told, {});
  const last = sockets.at(-1);
  last.greet();
  assert.deepEqual(
    last.sent.map((one) => [one.op, 'by' in one]),
    [['Query', false]],
  );
  last.tell({ seq: last.sent[0].seq, errid: 0, tasks: [] });
  await settle();
  assert.deepEqual(told.answer.tasks, []);
});

test('a read that a living daemon does not answer is given up', async () => {
  const wire = begun();
  const told = outcome(wire.ask('Query', {}));
  for (let n = 0; n < 6; n++) {
    pass(5000);
    sockets[0].tell({ beat: n });
  }
  await settle();
  assert.equal(told.errid, LATE);
  assert.equal(wire.state, 'open');
});

test('in a dead network it is tried again at least every five seconds', async () => {
  const wire = begun();
  pass(16_500);
  const begins = [];
  for (let n = 0; n < 240; n++) {
    const before = sockets.length;
    pass(250);
    await settle();
    if (sockets.length > before) {
      begins.push(steady);
    }
  }
  assert.equal(wire.state, 'lost');
  assert.ok(begins.length >= 12, `${begins.length} tries in a minute`);
  begins.slice(1).forEach((at, n) => assert.ok(at - begins[n] <= 5000, `${at - begins[n]} ms`));
});

test('where a websocket is refused and nobody answers, it goes on trying', async () => {
  const wire = begun();
  sockets[0].end(1006);
  about = null;
  for (let n = 0; n < 80; n++) {
    pass(250);
    sockets.at(-1).end(1006);
    await settle();
  }
  assert.equal(wire.state, 'lost');
  assert.ok(sockets.length >= 5, `${sockets.length}`);
});

test('who is signed out is out, and what was asked for waits until they are back', async () => {
  const wire = begun();
  const read = outcome(wire.ask('Query', {}));
  const act = outcome(wire.ask('Claim', { id: 'a' }));
  sockets[0].end(1008);
  await settle();
  assert.equal(wire.state, 'out');
  assert.equal(act.errid, UNKNOWN);
  pass(120_000);
  await settle();
  assert.deepEqual(read, {});
  assert.equal(sockets.length, 1, 'nobody is signed in: there is nothing to try');
  wire.connect(null);
  sockets[1].greet();
  assert.match(sockets[1].url, /since=7&sight=s/);
  assert.deepEqual(
    sockets[1].sent.map((one) => one.op),
    ['Query'],
  );
});

test('the page comes back as who it is, and as nobody else', async () => {
  const wire = begun();
  assert.equal(sockets[0].url, 'ws://x/ws');
  sockets[0].end(1006);
  pass(500);
  assert.equal(sockets[1].url, 'ws://x/ws?since=7&sight=s&as=1');
  sockets[1].tell({ me: { ...ME, user: '2' }, now: '2027-01-01T00:00:00Z', rev: 8 });
  assert.equal(wire.state, 'out');
  assert.equal(wire.known.me?.user, '1');
  assert.ok(sockets[1].isClosed);
});

test('a sign-in that ended while the network was away is seen when it is back', async () => {
  const wire = begun();
  sockets[0].end(1006);
  about = { user: '' };
  pass(500);
  sockets[1].end(1006);
  await settle();
  assert.equal(wire.state, 'out');
});

test('of what a view asked nothing is kept once it is answered or left', async () => {
  const wire = begun();
  const life = new AbortController();
  let listeners = 0;
  mock.method(life.signal, 'addEventListener', function add(...args) {
    listeners += 1;
    return EventTarget.prototype.addEventListener.apply(this, args);
  });
  mock.method(life.signal, 'removeEventListener', function remove(...args) {
    listeners -= 1;
    return EventTarget.prototype.removeEventListener.apply(this, args);
  });
  for (let n = 1; n <= 100; n++) {
    const answered = wire.ask('Query', {}, life.signal);
    sockets[0].tell({ seq: n, errid: 0 });
    await answered;
  }
  assert.equal(listeners, 0);
  const told = outcome(wire.ask('Query', {}, life.signal));
  life.abort(new DOMException('the view was left', 'AbortError'));
  await settle();
  assert.equal(told.errid, 'AbortError');
});

test('what is sent by POST is refused at once while nothing is heard', async () => {
  const wire = begun();
  pass(16_500);
  const told = outcome(wire.post('Logout', {}));
  await settle();
  assert.equal(told.errid, AWAY);
});

test('a network that flaps leaves one connection, and one only', async () => {
  const wire = begun();
  for (let n = 0; n < 20; n++) {
    sockets.at(-1).end(1006);
    globalThis.document.dispatchEvent(new Event('visibilitychange'));
    pass(250);
    if (n % 2) {
      sockets.at(-1).greet();
    }
    await settle();
  }
  pass(5000);
  sockets.at(-1).greet();
  const live = sockets.filter((one) => !one.isClosed && one.readyState === OPEN);
  assert.equal(live.length, 1);
  assert.equal(wire.state, 'open');
  pass(10_000);
  assert.equal(sockets.at(-1), live[0]);
});
