// The groups: who is in each, who leads it, and what there is to do: pure.

/**
 * @typedef {import('../../wire/types').Person} Person
 * @typedef {{
 *   name: string,
 *   leads: readonly Person[],
 *   members: readonly Person[],
 *   away: number,
 * }} Group `members` are those who may sign in, with the leads; `away` is how many others there are
 */

/**
 * Give the groups whose people one sees, by name. Of another's group one would see only those whom
 * one shares a group with.
 * @param {ReadonlyMap<string, Person>} people
 * @param {readonly string[] | null} mine the groups that one is in; null where one sees everybody
 * @param {(one: string, other: string) => number} collate
 * @returns {Group[]}
 */
export function groupsOf(people, mine, collate) {
  const all = [...people.values()].sort((one, other) => collate(one.name, other.name));
  const names = new Set(mine ?? all.flatMap((one) => one.groups));
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
