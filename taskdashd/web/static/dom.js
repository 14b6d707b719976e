// Building the page: text is always text, never markup, so every name is escaped.

/** Make an element: h('a.card', {href, onclick}, child, …). Strings become text nodes. */
export function h(spec, props, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length) node.className = classes.join(' ');
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'dataset') Object.assign(node.dataset, value);
    else if (name === 'style') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name === 'value' || name === 'checked') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

const SVG = 'http://www.w3.org/2000/svg';

/** Make an element of SVG. */
export function s(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) if (value !== undefined) node.setAttribute(name, value);
  append(node, children);
  return node;
}

/** Replace a node's children; the new element that equals the focused old one gets the keyboard's focus. */
export function fill(node, ...children) {
  const held = node.contains(document.activeElement) && document.activeElement !== node ? document.activeElement : null;
  const selection = held?.selectionStart;
  node.replaceChildren();
  append(node, children);
  if (held) {
    const same = [...node.querySelectorAll(held.tagName)].find((one) => sameness(one) === sameness(held));
    same?.focus({ preventScroll: true });
    if (same && typeof selection === 'number') same.setSelectionRange?.(selection, held.selectionEnd);
  }
  return node;
}

const sameness = (node) => node.dataset.k ?? node.getAttribute('href') ?? node.getAttribute('aria-label') ?? node.textContent;

/** Put nodes in order, moving only those out of place: a node that is moved loses focus and scroll. */
export function arrange(list, nodes) {
  const keep = new Set(nodes);
  for (const child of [...list.children]) if (!keep.has(child)) child.remove();
  nodes.forEach((node, n) => { if (list.children[n] !== node) list.insertBefore(node, list.children[n] ?? null); });
}

/** Call a function once, a while after the last of many calls. */
export function later(ms, call) {
  let timer = 0;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => call(...args), ms); };
}

/** Call a function before the next frame, once for many calls. */
export function onFrame(call) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; call(); });
  };
}

export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Whether a key was meant for the page, and not for a field, a dialog, a menu or an input method. */
export const isForPage = (event) => !(event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented
  || document.querySelector('dialog[open]') || event.target.closest?.('input, textarea, select'));

/** Close whatever dialog is open: its answer is no. */
export function closeDialogs() {
  for (const box of document.querySelectorAll('dialog[open]')) box.close('');
}

/** A dialog that resolves with what its form holds, or null. */
export function dialog(title, body, confirm, cancel) {
  return new Promise((resolve) => {
    const form = h('form', { method: 'dialog', onkeydown: (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit(form.querySelector('button.primary')); } },
      h('h2', { id: 'dialog-title' }, title), body,
      h('div.row.end', null,
        cancel && h('button', { type: 'button', onclick: () => box.close('') }, cancel),
        h('button.primary', { value: 'ok' }, confirm)));
    const box = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
    box.addEventListener('close', () => {
      resolve(box.returnValue === 'ok' ? Object.fromEntries(new FormData(form)) : null);
      box.remove();
    });
    box.addEventListener('click', (event) => { if (event.target === box) box.close(''); });
    document.body.append(box);
    box.showModal();
    form.querySelector('input, textarea, select, button.primary')?.focus();
  });
}

/** Show a message for a few seconds; the same message takes the place of the one before. */
export function toast(text, { kind = '', ms = 6000 } = {}) {
  const box = document.getElementById('toasts');
  for (const old of box.children) if (old.textContent === text) old.remove();
  const node = h(`div.toast${kind ? `.${kind}` : ''}`, { role: kind === 'bad' ? 'alert' : null }, text);
  box.append(node);
  // A dialog that was opened later covers the popover: hide and show it to bring it to the front.
  if (box.matches(':popover-open')) box.hidePopover();
  box.showPopover?.();
  while (box.children.length > 4) box.firstChild.remove();
  setTimeout(() => node.remove(), ms);
}
