// Who and what several tests are about.

export const worker = { user: '1', name: 'A', role: 'worker', groups: ['g'], leads: [], sight: '' };
export const lead = { ...worker, role: 'lead', leads: ['g'] };

/** Make a task of their group. */
export const task = (status, user = '', more = {}) => ({
  id: 't',
  group_id: 'g',
  checker: '',
  status,
  user,
  ...more,
});
