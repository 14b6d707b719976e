// Saved views: whose they are, where they lead, who may change them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  isShownNow,
  mayChange,
  ownersFor,
  placeOfQuery,
  queryOfPlace,
  sectionsOf,
} from '../../../taskdashd/web/static/menus/saved/model.js';
import { parsePlace } from '../../../taskdashd/web/static/rules/places.js';

const collate = (one, other) => (one < other ? -1 : Number(one > other));
const me = (more) => ({ user: '1', role: 'worker', groups: ['cut'], leads: [], ...more });

test('what is shown comes back: filters, order, and whether it is board or list', () => {
  for (const hash of [
    '#/board?group=%E5%89%AA%E8%BE%91&q=a%26b&free=oldest&hidden=1',
    '#/list?state=dead&by=group&sort=-name&user=me',
    '#/board',
  ]) {
    const query = queryOfPlace(parsePlace(hash));
    assert.equal(placeOfQuery(query), hash);
    assert.ok(isShownNow(query, parsePlace(hash)));
  }
  assert.ok(isShownNow('list?q=a&user=me', parsePlace('#/list?user=me&q=a')));
  assert.ok(!isShownNow('list?q=a', parsePlace('#/board?q=a')));
});

test('whatever was kept leads to a place of this page', () => {
  for (const query of [
    'javascript:alert(1)',
    '//evil.example',
    '',
    '#/x',
    'https://evil.example',
  ]) {
    assert.match(placeOfQuery(query), /^#\/mine/);
  }
});

test("one's own come first, then those of groups; each by name", () => {
  const views = [
    { name: 'b', of: { group: 'paint' }, query: 'list' },
    { name: 'z', of: { person: '1' }, query: 'list' },
    { name: 'a', of: { group: 'cut' }, query: 'list' },
    { name: 'y', of: { person: '1' }, query: 'list' },
  ];
  assert.deepEqual(
    sectionsOf(views, collate).map(({ of, saved }) => [of, saved.map(({ name }) => name)]),
    [
      [{ person: '1' }, ['y', 'z']],
      [{ group: 'cut' }, ['a']],
      [{ group: 'paint' }, ['b']],
    ],
  );
});

test("a lead changes those of the groups led, an admin all groups', nobody another's own", () => {
  const owners = (who) => ownersFor(who, ['paint', 'cut'], collate);
  assert.deepEqual(owners(me()), [{ person: '1' }]);
  assert.deepEqual(owners(me({ role: 'lead', leads: ['cut'] })), [
    { person: '1' },
    { group: 'cut' },
  ]);
  assert.deepEqual(owners(me({ role: 'operator', user: '' })), [
    { group: 'cut' },
    { group: 'paint' },
  ]);
  assert.deepEqual(owners(me({ role: 'reader', user: '' })), []);
  assert.ok(!mayChange({ person: '2' }, me({ role: 'admin' })));
  assert.ok(!mayChange({ person: '' }, me({ role: 'reader', user: '' })));
});
