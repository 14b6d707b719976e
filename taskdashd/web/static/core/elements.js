// Elements, and painting them in place. Text is always text, never markup: all names are escaped.
//
// A painter makes new elements; `fill` changes those on the page until they are like them. What
// differs between two paintings is changed, nothing else: text in a field, a selection, an unfolded
// `details`, scroll, focus and a pressed button belong to whoever looks, and stay.

import { cleaned } from './cleaned.js';

/**
 * @typedef {import('./types').Children} Children
 * @typedef {import('./types').Lazy} Lazy
 * @typedef {import('./types').Props} Props
 * @typedef {(event: any) => unknown} Handler
 */

/**
 * What an element was painted with.
 * @typedef {{
 *   attributes: Map<string, string>,
 *   properties: Map<string, unknown>,
 *   handlers: Map<string, Handler>,
 *   name: string,
 *   deps: readonly unknown[] | null,
 *   wanted: (Node | Lazy)[] | null,
 * }} Painted `name` finds it again among its siblings; `wanted` are children that are still to be
 *   placed, because there are lazy ones in them
 */

/** @type {WeakMap<Element, Painted>} */
const painted = new WeakMap();

const SVG = 'http://www.w3.org/2000/svg';
/** Set as properties: as attributes they would only say how a field begins. */
const PROPERTIES = new Set(['value', 'checked', 'selected', 'indeterminate']);
/** Attributes that people read. */
const READ = new Set(['title', 'aria-label', 'placeholder']);

/**
 * Make an element: h('a.card', { href, onclick }, child, …). Its `key` finds it again in a list.
 * @param {string} spec tag and classes
 * @param {Props | null} [props]
 * @param {Children[]} children
 * @returns {HTMLElement}
 */
export function h(spec, props, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag || 'div');
  return dress(
    node,
    classes.length ? { class: classes.join(' '), ...props } : (props ?? {}),
    children,
  );
}

/**
 * Make an element of SVG.
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {Children[]} children
 * @returns {SVGElement}
 */
export function s(tag, props, ...children) {
  return dress(
    /** @type {SVGElement} */ (document.createElementNS(SVG, tag)),
    props ?? {},
    children,
  );
}

/**
 * Leave an element of a list as it is while `deps` are the same: `make` is not even called. Until
 * what it stands in has been painted by `fill`, there is nothing of it.
 * @param {string} key
 * @param {readonly unknown[]} deps
 * @param {() => Element} make
 * @returns {Lazy}
 */
export const lazy = (key, deps, make) => ({ name: named(key), deps, make });

/** A name that no tag has. @param {unknown} key */
const named = (key) => `key ${key}`;

/**
 * @template {Element} E
 * @param {E} node
 * @param {Props} props
 * @param {Children[]} children
 * @returns {E}
 */
function dress(node, props, children) {
  /** @type {Painted} */
  const one = {
    attributes: new Map(),
    properties: new Map(),
    handlers: new Map(),
    name: node.nodeName,
    deps: null,
    wanted: null,
  };
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) {
      if (PROPERTIES.has(name)) {
        one.properties.set(name, value ?? '');
      }
    } else if (name === 'key') {
      one.name = named(value);
    } else if (name.startsWith('on')) {
      one.handlers.set(name.slice(2), /** @type {Handler} */ (value));
    } else if (PROPERTIES.has(name)) {
      one.properties.set(name, value);
    } else if (name === 'dataset' || name === 'style') {
      each(/** @type {Record<string, unknown>} */ (value), (key, text) => {
        one.attributes.set(name === 'style' ? `style ${key}` : `data-${key}`, text);
      });
    } else {
      const text = value === true ? '' : String(value);
      one.attributes.set(name, READ.has(name) ? cleaned(text) : text);
    }
  }
  painted.set(node, one);
  for (const [name, value] of one.attributes) {
    setAttribute(node, name, value);
  }
  for (const kind of one.handlers.keys()) {
    node.addEventListener(kind, handle);
  }
  const wanted = parts(children);
  if (wanted.some(isUnmade)) {
    one.wanted = wanted;
  } else {
    place(node, wanted);
    setProperties(node, one);
  }
  return node;
}

/** Whether there are lazy ones in a child. @param {Node | Lazy} one */
const isUnmade = (one) => 'make' in one || Boolean(painted.get(/** @type {any} */ (one))?.wanted);

/**
 * Set properties, once the children are there: a select's value is that of one of its options.
 * @param {Element} node
 * @param {Painted} about
 * @param {Painted} [was] what it was painted with before
 */
function setProperties(node, about, was) {
  for (const [name, value] of about.properties) {
    if (!was || (was.properties.get(name) !== value && !isAhead(node, name, was))) {
      Reflect.set(node, name, value);
    }
  }
}

/**
 * @param {Record<string, unknown>} values
 * @param {(key: string, text: string) => void} call
 */
function each(values, call) {
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== null) {
      call(
        key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
        String(value),
      );
    }
  }
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string | null} value
 */
function setAttribute(node, name, value) {
  if (name.startsWith('style ')) {
    // A style attribute would be refused by the Content-Security-Policy; a property is not.
    /** @type {HTMLElement} */ (node).style.setProperty(name.slice(6), value);
  } else if (value === null) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value);
  }
}

/** @param {Event} event */
function handle(event) {
  const node = /** @type {Element} */ (event.currentTarget);
  painted.get(node)?.handlers.get(event.type)?.(event);
}

/**
 * Give what is there of children, flat, each text as a node.
 * @param {Children[]} children
 * @returns {(Node | Lazy)[]}
 */
function parts(children) {
  return /** @type {any[]} */ (children)
    .flat(Infinity)
    .filter((one) => one !== undefined && one !== null && one !== false && one !== '')
    .map((one) => (typeof one === 'object' ? one : new Text(cleaned(String(one)))));
}

/**
 * Paint an element's children anew, in place.
 * @template {Element} E
 * @param {E} node
 * @param {Children[]} children
 * @returns {E}
 */
export function fill(node, ...children) {
  place(node, parts(children));
  return node;
}

/**
 * Bring children to what is wanted: each of them takes the place of the old one of the same key,
 * or else of the next old one of its kind that has none.
 * @param {Element} parent
 * @param {(Node | Lazy)[]} wanted
 */
function place(parent, wanted) {
  let n = 0;
  let child = parent.firstChild;
  // Mostly they are those of before, in the same order: go along both.
  while (child && n < wanted.length && nameOf(child) === nameOf(wanted[n])) {
    const next = child.nextSibling;
    const node = renewed(child, wanted[n]);
    if (node !== child) {
      child.replaceWith(node);
    }
    child = next;
    n += 1;
  }
  if (child) {
    placeRest(parent, child, wanted.slice(n));
  } else {
    for (; n < wanted.length; n++) {
      parent.append(fresh(wanted[n]));
    }
  }
}

/**
 * Bring the children from one on to what is wanted.
 * @param {Element} parent
 * @param {ChildNode} first
 * @param {(Node | Lazy)[]} wanted
 */
function placeRest(parent, first, wanted) {
  const before = first.previousSibling;
  /** @type {Map<string, ChildNode[]>} */
  const old = new Map();
  for (let child = /** @type {ChildNode | null} */ (first); child; child = child.nextSibling) {
    const name = nameOf(child);
    const same = old.get(name);
    same ? same.push(child) : old.set(name, [child]);
  }
  const nodes = wanted.map((one) => {
    const was = old.get(nameOf(one))?.shift();
    const node = was ? renewed(was, one) : fresh(one);
    if (was && node !== was) {
      was.remove();
    }
    return node;
  });
  for (const left of old.values()) {
    for (const child of left) {
      child.remove();
    }
  }
  arrange(parent, before, nodes);
}

/** @param {Node | Lazy} one */
const nameOf = (one) =>
  'make' in one ? one.name : (painted.get(/** @type {any} */ (one))?.name ?? one.nodeName);

/** Give a node with all that is in it. @param {Node | Lazy} one @returns {Node} */
function fresh(one) {
  const node = 'make' in one ? made(one) : one;
  const about = node instanceof Element ? painted.get(node) : null;
  if (node instanceof Element && about?.wanted) {
    const { wanted } = about;
    about.wanted = null;
    place(node, wanted);
    setProperties(node, about);
  }
  return node;
}

/** @param {Lazy} one */
function made(one) {
  const node = one.make();
  const about = painted.get(node);
  if (about) {
    Object.assign(about, { name: one.name, deps: one.deps });
  }
  return node;
}

/** @param {ChildNode} old @param {Node | Lazy} one @returns {Node} */
function renewed(old, one) {
  if ('make' in one) {
    const deps = old instanceof Element ? painted.get(old)?.deps : null;
    const same = deps?.length === one.deps.length && one.deps.every((dep, n) => dep === deps[n]);
    return same ? old : renewed(old, made(one));
  }
  if (old instanceof Text && one instanceof Text) {
    if (old.data !== one.data) {
      old.data = one.data;
    }
    return old;
  }
  if (old instanceof Element && one instanceof Element && old.nodeName === one.nodeName) {
    return old === one || !painted.has(old) || !painted.has(one) ? fresh(one) : become(old, one);
  }
  return fresh(one);
}

/**
 * Make an element on the page like one that was just painted.
 * @param {Element} old
 * @param {Element} next
 */
function become(old, next) {
  const was = /** @type {Painted} */ (painted.get(old));
  const is = /** @type {Painted} */ (painted.get(next));
  painted.set(old, is);
  for (const name of was.attributes.keys()) {
    if (!is.attributes.has(name)) {
      setAttribute(old, name, null);
    }
  }
  for (const [name, value] of is.attributes) {
    if (was.attributes.get(name) !== value) {
      setAttribute(old, name, value);
    }
  }
  for (const kind of is.handlers.keys()) {
    // The same listener twice is one listener.
    old.addEventListener(kind, handle);
  }
  const { wanted } = is;
  is.wanted = null;
  place(old, wanted ?? [...next.childNodes]);
  setProperties(old, is, was);
  return old;
}

/**
 * Whether somebody has typed on in a field since it was last painted: what they see there is newer
 * than any painting, and an input method that composes would be thrown out by another text.
 * @param {Element} node
 * @param {string} name
 * @param {Painted} was
 */
const isAhead = (node, name, was) =>
  name === 'value' &&
  node === document.activeElement &&
  Reflect.get(node, name) !== was.properties.get(name);

/**
 * Put nodes in order, moving only those out of place. A node that is moved loses focus, and a press
 * on it comes to nothing, so where somebody is at one, the others move around it.
 * @param {Element} list
 * @param {Node | null} before the child behind which they begin
 * @param {Node[]} nodes
 */
function arrange(list, before, nodes) {
  const held = heldIn(list);
  const pin = held ? nodes.indexOf(held) : -1;
  for (let n = pin - 1; n >= 0; n--) {
    if (nodes[n].nextSibling !== nodes[n + 1] || nodes[n].parentNode !== list) {
      list.insertBefore(nodes[n], nodes[n + 1]);
    }
  }
  for (let n = pin + 1; n < nodes.length; n++) {
    const last = n ? nodes[n - 1] : before;
    const next = last ? last.nextSibling : list.firstChild;
    if (next !== nodes[n]) {
      list.insertBefore(nodes[n], next);
    }
  }
}

/** Give the child at which somebody is. @param {Element} list */
function heldIn(list) {
  let one = document.activeElement;
  while (one && one.parentNode !== list) {
    one = one.parentElement;
  }
  return one ?? list.querySelector(':scope > :active');
}
