import assert from 'node:assert/strict';
import test from 'node:test';

import { hours } from '../../../taskdashd/web/static/views/day/model.js';

test('an hour has what there was last, and all that has happened; one not counted has none', () => {
  const at = new Date(2026, 0, 5, 9).getTime() / 1000;
  const day = [
    { at: at - 600, tasks: null, events: {} },
    { at, tasks: { live: 3, 待领取: 2 }, events: { died: 1 } },
    { at: at + 600, tasks: { live: 4 }, events: { died: 2, finished: 1 } },
    { at: at + 1200, tasks: null, events: {} },
  ];
  assert.deepEqual(hours(day), [
    { at, isCounted: true, levels: [4, 0, 0, 0, 0], events: [3, 0, 0, 1] },
    { at: at - 3600, isCounted: false, levels: [0, 0, 0, 0, 0], events: [0, 0, 0, 0] },
  ]);
});
