// SPDX-License-Identifier: Apache-2.0
// Elements made without any HTML text: what a model or a person wrote can only ever become a text node.

export const byId = (id) => document.getElementById(id);

let made = 0;
/** An id that no other element of the page has. */
export const newId = (name) => `${name}-${++made}`;

/** element("p", {class: "muted", onclick: f}, "text", child): text children become text nodes, lists are unfolded. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Says something to screen readers, without a change on the screen. */
export function announce(text) {
  const status = byId("status");
  status.textContent = "";
  requestAnimationFrame(() => { status.textContent = text; });
}

/** A problem for everyone to see, or, calm, news that is none; empty text takes it away. */
export function notice(text, calm = false) {
  const box = byId("notice");
  box.classList.toggle("calm", calm);
  box.textContent = text;
  box.hidden = !text;
}
