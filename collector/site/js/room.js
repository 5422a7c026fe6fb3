// SPDX-License-Identifier: Apache-2.0
// How much room a box of text has left: told before it runs out, and nothing is cut off without a word.
import {announce, element, newId} from "./dom.js";
import {format, t} from "./i18n.js";

const kToldFrom = 0.8;  // of what fits: before that nobody needs to know

export const characters = (text) => [...text].length;
export const bytes = (text) => new TextEncoder().encode(text).length;

/**
 * node: the line below the box; over: whether the text is longer than the server takes, `most` as size() counts it;
 * look() after the text was changed by the page.
 */
export function room(box, most, size) {
  const node = element("p", { class: "small room", id: newId("room"), hidden: true });
  box.setAttribute("aria-describedby", node.id);
  let over = false;
  const look = () => {
    const text = box.value, used = size(text), was = over;
    over = used > most;
    node.hidden = used < kToldFrom * most;
    node.classList.toggle("problem", over);
    box.setAttribute("aria-invalid", String(over));
    // People count characters, whatever the server counts.
    const count = node.hidden ? 0 : Math.ceil(Math.abs(most - used) * characters(text) / used);
    node.textContent = node.hidden ? "" : t(over ? "room_over" : "room_left", { count: format(count) });
    if (over && !was) announce(node.textContent);
  };
  box.addEventListener("input", look);
  return { node, look, get over() { return over; } };
}
