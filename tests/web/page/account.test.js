// An account in a form: what is sent of it, and what another admin has changed meanwhile.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  askedFor,
  asTyped,
  changesOf,
  faultIn,
} from '../../../taskdashd/web/static/views/people/account.js';

/** @type {import('../../../taskdashd/web/static/wire/types').Person} */
const ANN = {
  user: '1001',
  name: 'Ann',
  role: 'lead',
  groups: ['cut', 'a, b'],
  leads: ['cut'],
  active: true,
  calendar: '',
  rev: 7,
};

test('a new account is sent whole', () => {
  const given = { ...asTyped(null), user: '1009', name: 'Kim', groups: 'cut', password: '' };
  assert.deepEqual(askedFor(given, null), {
    user: '1009',
    name: 'Kim',
    role: 'worker',
    groups: ['cut'],
    active: true,
  });
});

test('of an account that there is, only what was changed is sent', () => {
  const given = { ...asTyped(ANN), password: '' };
  assert.deepEqual(askedFor(given, ANN), { user: '1001' });
  assert.deepEqual(askedFor({ ...given, name: 'Anna' }, ANN), { user: '1001', name: 'Anna' });
  const { active, ...inactive } = given;
  assert.deepEqual([active, askedFor(inactive, ANN)], ['on', { user: '1001', active: false }]);
  const more = askedFor({ ...given, leads: 'cut, paint', password: 'horses' }, ANN);
  assert.deepEqual(more, { user: '1001', leads: ['cut', 'paint'], password: 'horses' });
});

test('whoever led some groups and leads none by name leads all of theirs', () => {
  const given = { ...asTyped(ANN), password: '', leads: '' };
  assert.deepEqual(askedFor(given, ANN), { user: '1001', leads: ['cut', 'a, b'] });
  const fresh = { ...given, groups: 'paint、mix' };
  assert.deepEqual(askedFor(fresh, ANN), {
    user: '1001',
    groups: ['paint', 'mix'],
    leads: ['paint', 'mix'],
  });
});

test('groups are parted wherever people part them', () => {
  const given = { ...asTyped(null), user: '1', name: 'K', groups: '剪辑、美术，Team A; mix ,' };
  const { groups } = askedFor({ ...given, password: '' }, null);
  assert.deepEqual(groups, ['剪辑', '美术', 'Team A', 'mix']);
});

test('what somebody else has changed is told, and nothing else', () => {
  const now = { user: '1001', name: 'Ann', role: 'lead', groups: 'cut, a, b', leads: 'cut' };
  assert.deepEqual(changesOf(ANN, { ...now, active: 'true', calendar: '', rev: '9' }), []);
  assert.deepEqual(changesOf(ANN, { ...now, role: 'worker', leads: '', active: 'false' }), [
    ['role', 'worker'],
    ['leads', ''],
    ['active', 'false'],
  ]);
});

test('nobody shuts themselves out, and nothing typed is passed over', () => {
  const root = { ...ANN, role: /** @type {const} */ ('admin'), leads: [] };
  const own = { ...asTyped(root), password: '' };
  const { active, ...inactive } = own;
  assert.equal(active, 'on');
  assert.equal(faultIn(own, root, '1001'), null);
  assert.equal(faultIn(inactive, root, '1001'), 'person.fault.self');
  assert.equal(faultIn({ ...own, role: 'lead' }, root, '1001'), 'person.fault.self');
  assert.equal(faultIn(inactive, root, '1002'), null);
  assert.equal(faultIn({ ...own, leads: 'cut' }, root, '1001'), 'person.fault.leads');
  assert.equal(faultIn({ ...asTyped(ANN), role: 'worker', password: '' }, ANN, '1002'), null);
  const fresh = { ...asTyped(null), user: '1009', name: 'Kim', role: 'admin', password: '' };
  assert.equal(faultIn(fresh, null, '1001'), 'person.fault.password');
  assert.equal(faultIn({ ...fresh, password: 'horses' }, null, '1001'), null);
});
