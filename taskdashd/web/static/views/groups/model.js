// The groups: who is in each, who leads it, and what there is to do: pure.

import { linkTo, parsePlace } from '../../rules/places.js';

/**
 * @typedef {import('../../wire/types').Known} Known
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {import('../../wire/types').Reply} Reply
 * @typedef {import('../../wire/types').Task} Task
 * @typedef {{
 *   name: string,
 *   leads: readonly Person[],
 *   members: readonly Person[],
 *   away: number,
 * }} Group `members` are those who may sign in, with the leads; `away` is how many others there are
 * @typedef {{ counts: ReadonlyMap<string, number>, isAll: boolean }} Open how many open tasks each
 *   group has, and whether those are all
 * @typedef {{
 *   into: string,
 *   people: number,
 *   services: number,
 *   tasks: number,
 *   left: readonly { id: string }[],
 *   tokens: readonly string[],
 * }} Merged `into` is the other group as it is called
 */

/** @type {Open} */
export const UNREAD = { counts: new Map(), isAll: true };

/** @type {Merged} */
export const NOTHING = { into: '', people: 0, services: 0, tasks: 0, left: [], tokens: [] };

/**
 * Give the groups whose people one sees, by name. Of another's group one would see only those whom
 * one shares a group with.
 * @param {ReadonlyMap<string, Person>} people
 * @param {readonly string[] | null} mine the groups that one is in; null where one sees everybody
 * @param {(one: string, other: string) => number} collate
 * @param {Iterable<string>} [others] groups that there are though nobody may be in them
 * @returns {Group[]}
 */
export function groupsOf(people, mine, collate, others = []) {
  const all = [...people.values()].sort((one, other) => collate(one.name, other.name));
  const names = new Set([...(mine ?? all.flatMap((one) => one.groups)), ...others]);
  // Without a group is everybody's.
  names.delete('');
  return [...names].sort(collate).map((name) => {
    const there = all.filter((one) => one.groups.includes(name));
    const members = there.filter((one) => one.active);
    return {
      name,
      leads: members.filter((one) => one.leads.includes(name)),
      members,
      away: there.length - members.length,
    };
  });
}

/** Count open tasks by their groups. @param {readonly Task[]} tasks @param {boolean} isAll */
export function openOf(tasks, isAll) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { group_id: group } of tasks) {
    counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return { counts, isAll };
}

/** Give all who are in a group. @param {Known} known @param {string} name */
export const peopleIn = ({ people }, name) =>
  [...people.values()].filter((one) => one.groups.includes(name));

/** Count the services of a group. @param {Known} known @param {string} name */
export const servicesIn = ({ services }, name) =>
  services.filter((one) => one.group_id === name).length;

/**
 * Give what is asked to take somebody out of a group. Of a lead it says what they lead afterwards:
 * else one who led that group alone would lead all their others.
 * @param {Person} one
 * @param {string} name
 */
export function askedToLeave(one, name) {
  const others = (/** @type {readonly string[]} */ groups) =>
    groups.filter((group) => group !== name);
  const lead = one.role === 'lead' && { leads: others(one.leads) };
  return { user: one.user, groups: others(one.groups), ...lead, base: one.rev };
}

/** Add what one reply to MergeGroups tells. @param {Merged} before @param {Reply} reply */
export const withReply = (before, { into, people, services, tasks, left, tokens }) => ({
  into,
  people: before.people + people,
  services: before.services + services,
  tasks: before.tasks + tasks,
  left,
  tokens,
});

/**
 * Give what a saved view shows, by the new name of a group where it filters by the old one.
 * @param {string} query
 * @param {string} from
 * @param {string} into
 */
export function renewedQuery(query, from, into) {
  const { view, about, filters } = parsePlace(`#/${query}`);
  if (filters.get('group') !== from) {
    return query;
  }
  filters.set('group', into);
  return linkTo(view, about, filters).slice('#/'.length);
}
