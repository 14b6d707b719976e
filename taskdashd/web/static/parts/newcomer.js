// Whom somebody asks who is in no group yet: until then they see only what is everybody's.

import { h } from '../core/elements.js';
import { t } from './words.js';

/** @param {import('../wire/types').Known} known */
export function newcomer({ me, admins }) {
  const isNew = me?.user && me.role !== 'admin' && me.groups.length === 0;
  return (
    isNew &&
    h(
      'p.newcomer',
      { key: 'newcomer', role: 'status' },
      t('newcomer.about'),
      ' ',
      admins.length > 0
        ? t('newcomer.ask', { names: admins.join(t('newcomer.and')) })
        : t('newcomer.operator', { user: me.user }),
    )
  );
}
