// Views that were saved: whose they are, where they lead, and who may change them. Pure.

import { isAdmin } from '../../rules/acts.js';
import { linkTo, parsePlace } from '../../rules/places.js';

/**
 * @typedef {import('../../rules/places').Place} Place
 * @typedef {import('../../wire/types').Me} Me
 * @typedef {Record<string, string>} Owner `person` with a number, or `group` with a name
 * @typedef {{ name: string, of: Owner, query: string }} Saved
 * @typedef {{ of: Owner, saved: Saved[] }} Section
 */

/** Give what the daemon keeps of a place. @param {Place} place */
export const queryOfPlace = ({ view, filters }) => linkTo(view, '', filters).slice('#/'.length);

/** Give where a view leads; whatever was kept, a place of this page. @param {string} query */
export function placeOfQuery(query) {
  const { view, about, filters } = parsePlace(`#/${query}`);
  return linkTo(view, about, filters);
}

/**
 * Whether a view is what is shown: the same filters, in whatever order they were chosen.
 * @param {string} query
 * @param {Place} place
 */
export const isShownNow = (query, place) => sorted(query) === sorted(queryOfPlace(place));

/** @param {string} query */
function sorted(query) {
  const { view, filters } = parsePlace(placeOfQuery(query));
  filters.sort();
  return `${view}?${filters}`;
}

/** @param {Owner} one @param {Owner} other */
export const isSameOwner = (one, other) => one.person === other.person && one.group === other.group;

/**
 * Give views by their owners: one's own first, then those of groups by name.
 * @param {readonly Saved[]} all
 * @param {(one: string, other: string) => number} collate
 * @returns {Section[]}
 */
export function sectionsOf(all, collate) {
  /** @type {Map<string, Section>} */
  const sections = new Map();
  for (const one of all) {
    const key = JSON.stringify(one.of);
    const there = sections.get(key)?.saved ?? [];
    sections.set(key, { of: one.of, saved: [...there, one] });
  }
  const found = [...sections.values()];
  for (const { saved } of found) {
    saved.sort((one, other) => collate(one.name, other.name));
  }
  return found.sort(
    ({ of: one }, { of: other }) =>
      Number(Boolean(one.group)) - Number(Boolean(other.group)) ||
      collate(one.group ?? '', other.group ?? ''),
  );
}

/** Whether somebody may change the views of an owner. @param {Owner} of @param {Me | null} me */
export const mayChange = (of, me) =>
  of.group === undefined
    ? Boolean(me?.user) && of.person === me?.user
    : isAdmin(me) || Boolean(me?.leads.includes(of.group));

/**
 * Give those for whom somebody may save a view, oneself first.
 * @param {Me | null} me
 * @param {Iterable<string>} groups all that are known
 * @param {(one: string, other: string) => number} collate
 * @returns {Owner[]}
 */
export function ownersFor(me, groups, collate) {
  const named = [...groups].sort(collate).map((group) => ({ group }));
  return [...(me?.user ? [{ person: me.user }] : []), ...named.filter((of) => mayChange(of, me))];
}
