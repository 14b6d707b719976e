// Whose names are asked for: of those whom tasks name and whom one does not see, each once.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { NOBODY, foundName, nameOf } from '../../../taskdashd/web/static/wire/known.js';
import { Unnamed } from '../../../taskdashd/web/static/wire/unnamed.js';

/** @param {object} more */
const task = (id, more) => ({ id, user: '', checker: '', ...more });

/** A connection that answers with a name for each number that begins with E. */
function connection() {
  const wire = {
    known: { ...NOBODY, people: new Map([['ann', { user: 'ann', name: 'Ann' }]]) },
    asked: [],
    told: [],
    ask: async (op, body) => {
      wire.asked.push([op, ...body.ids]);
      return { names: { eve: 'Eve' } };
    },
    learn: (known, news) => {
      wire.known = known;
      wire.told.push(news);
    },
  };
  return wire;
}

/** @param {(unnamed: Unnamed) => void} steps */
async function after(wire, steps) {
  mock.timers.enable({ apis: ['setTimeout'] });
  steps(wire.unnamed);
  mock.timers.tick(1000);
  mock.timers.reset();
  await new Promise((resolve) => setImmediate(resolve));
}

test('who is named and not seen is asked for, each once', async () => {
  const wire = connection();
  wire.unnamed = new Unnamed(wire);
  await after(wire, (unnamed) => {
    unnamed.take({ tasks: [task('a', { user: 'ann' }), task('b', { checker: 'eve' })] });
    unnamed.take({ events: [{ task: { id: 'gone' } }, { task: task('c', { user: 'eve' }) }] });
    unnamed.take({ now: [task('d', { acknowledged: { by: 'nobody' } })], counts: { now: 1 } });
  });
  assert.deepEqual(wire.asked, [['Names', 'b', 'd']]);
  assert.deepEqual(wire.told, [{ people: true }]);
  assert.equal(nameOf(wire.known, 'eve'), 'Eve');
  assert.equal(nameOf(wire.known, 'nobody'), 'nobody');
  assert.equal(foundName(wire.known, 'eve'), 'eve', 'the daemon finds nobody by that name');
  await after(wire, (unnamed) => unnamed.take({ tasks: [task('e', { user: 'nobody' })] }));
  assert.equal(wire.asked.length, 1);
  await after(wire, (unnamed) => {
    unnamed.take({ afresh: true });
    unnamed.take({ tasks: [task('e', { user: 'nobody' })] });
  });
  assert.deepEqual(wire.asked[1], ['Names', 'e']);
});

test('what comes for somebody else is not taken', async () => {
  const wire = connection();
  wire.unnamed = new Unnamed(wire);
  wire.ask = async () => {
    wire.known = { ...NOBODY, me: { user: 'bob' } };
    return { names: { eve: 'Eve' } };
  };
  await after(wire, (unnamed) => unnamed.take({ tasks: [task('b', { user: 'eve' })] }));
  assert.deepEqual(wire.told, []);
});

test('who is named by a history is asked for with it', async () => {
  const wire = connection();
  wire.unnamed = new Unnamed(wire);
  const entry = (changes) => ({ task: 'a', changes });
  await after(wire, (unnamed) => {
    unnamed.take({ entries: [{ task: '', changes: {} }, entry({ status: [null, 'failed'] })] });
    unnamed.take({ entries: [entry({ user: [null, 'ann'] }), entry({ user: ['eve', ''] })] });
    unnamed.take({ entries: [entry({ acknowledged: ['{"by":"kim","at":"…', null] })] });
    unnamed.take({ tasks: [task('b', { user: 'eve' }), task('c', { user: 'fay' })] });
  });
  assert.deepEqual(wire.asked, [
    ['Names', 'a'],
    ['Names', 'c'],
  ]);
  assert.equal(nameOf(wire.known, 'eve'), 'Eve');
});
