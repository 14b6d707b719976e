// What people may do with a task, by the daemon's own table of steps; the daemon has the last word.

import { STATES, STEPS } from './claims.js';
import { columnOf, stateOf } from './states.js';

/**
 * @typedef {import('../wire/types').Task} Task
 * @typedef {import('../wire/types').Me} Me
 * @typedef {import('../wire/types').Service} Service
 * @typedef {'claim' | 'begin' | 'submit' | 'approve' | 'reject' | 'release' | 'assign'
 *   | 'acknowledge' | 'dismiss' | 'cancel'} Act
 * @typedef {{ act: string, at: string, to: string, who: string, had?: boolean }} Step
 */

/** @type {Record<Act, keyof import('../wire/types').Requests>} */
export const OPERATIONS = {
  claim: 'Claim',
  begin: 'Begin',
  submit: 'Submit',
  approve: 'Approve',
  reject: 'Reject',
  release: 'Release',
  assign: 'Assign',
  acknowledge: 'Acknowledge',
  dismiss: 'Acknowledge',
  cancel: 'Cancel',
};

/** @type {Record<Act, string>} */
export const KEYS = {
  claim: 'c',
  begin: 'b',
  submit: 's',
  release: 'r',
  approve: 'a',
  reject: 'x',
  assign: 'g',
  acknowledge: 'k',
  dismiss: 'd',
  cancel: 'e',
};

/** Whether somebody may do everything. @param {Me | null} me */
export const isAdmin = (me) => me !== null && ['admin', 'operator'].includes(me.role);

/**
 * Give the steps that a person may try with a task, in the order in which they are shown.
 * @param {Task} task
 * @param {Me | null} me
 * @returns {Step[]}
 */
export function stepsFrom(task, me) {
  const state = /** @type {Record<string, string>} */ (STATES)[task.status];
  if (!me || !state) {
    return [];
  }
  const admin = isAdmin(me);
  const mine = task.user === me.user && me.user !== '';
  const lead = admin || me.leads.includes(task.group_id);
  const own = mine || (me.user !== '' && task.submitted_by === me.user);
  // Left out are the daemon's own steps, and handing over, which is done with a person, not a task.
  /** @type {Record<string, boolean>} */
  const may = {
    'anybody it is meant for': me.user !== '' && (!task.user || mine),
    holder: mine,
    'holder or lead': mine || lead,
    lead,
    checker: !own && (admin || (task.checker ? task.checker === me.user : lead)),
  };
  const had = Boolean(task.user);
  return /** @type {Step[]} */ (STEPS).filter(
    (step) => step.at === state && may[step.who] && (step.had ?? had) === had,
  );
}

/** Whether somebody leads a group. @param {Me | null} me @param {string} group */
export const isLead = (me, group) => isAdmin(me) || Boolean(me?.leads.includes(group));

/**
 * Give what somebody may answer to a death: of what was hidden, Acknowledge takes that back.
 * @param {Task | Service} dead
 * @param {Me | null} me
 * @returns {('acknowledge' | 'dismiss')[]}
 */
export function answersTo({ acknowledged }, me) {
  if (!me?.user && !isAdmin(me)) {
    return [];
  }
  if (!acknowledged) {
    return ['acknowledge', 'dismiss'];
  }
  return acknowledged.hide ? ['acknowledge'] : ['dismiss'];
}

/**
 * Whether somebody may give a task labels: who may claim it or has it, and a lead.
 * @param {Task} task
 * @param {Me | null} me
 */
export function mayLabel(task, me) {
  const isMine = Boolean(me?.user) && task.user === me?.user && task.status in STATES;
  return (
    isMine || isLead(me, task.group_id) || stepsFrom(task, me).some(({ act }) => act === 'claim')
  );
}

/** Whether somebody may cancel a task. @param {Task} task @param {Me | null} me */
const mayCancel = (task, me) => isLead(me, task.group_id) && columnOf(task) !== 'done';

/**
 * Give the acts that a person may try with a task. Only of what is dead is it one of the first
 * things to do, to cancel it: elsewhere that has its place beside the whole task.
 * @param {Task} task
 * @param {Me | null} me
 * @param {{ whole: boolean }} [how]
 * @returns {Act[]}
 */
export function actsFor(task, me, { whole } = { whole: false }) {
  const steps = stepsFrom(task, me).map((one) => /** @type {Act} */ (one.act));
  const isDead = columnOf(task) === 'dead';
  const answers = isDead ? answersTo(task, me) : [];
  const cancels = (isDead || whole) && mayCancel(task, me);
  return [...steps, ...answers, .../** @type {Act[]} */ (cancels ? ['cancel'] : [])];
}

/**
 * Give the acts that dropping a task in a column means, one after another; none where it means
 * nothing.
 * @param {Task} task
 * @param {string} column
 * @param {Me | null} me
 * @returns {Act[]}
 */
export function actsOfDrop(task, column, me) {
  // Assigning needs a name, which a drop does not give.
  const steps = stepsFrom(task, me).filter(({ act, at, to }) => act !== 'assign' && at !== to);
  const one = steps.find(({ to }) => stateOf(to) === column);
  if (one) {
    return [/** @type {Act} */ (one.act)];
  }
  const claim = steps.find(({ act }) => act === 'claim');
  if (!claim || !me) {
    return [];
  }
  const claimed = { ...task, status: claim.to, user: me.user };
  const next = stepsFrom(claimed, me).find(
    ({ act, to }) => act === 'begin' && stateOf(to) === column,
  );
  return next ? ['claim', 'begin'] : [];
}

/**
 * Tell whether a person is to check a task: by name, or as a lead of its group.
 * @param {Task} task
 * @param {Me | null} me
 */
export const isToCheck = (task, me) =>
  Boolean(me?.user) &&
  (task.checker ? task.checker === me?.user : Boolean(me?.leads.includes(task.group_id))) &&
  stepsFrom(task, me).some((step) => step.act === 'approve');
