// SPDX-License-Identifier: Apache-2.0
// Single-key shortcuts and the sheet that lists them. They rest while somebody types, composes or holds a modifier
// (AltGr among them), while a dialog is open, and for good where the person switched them off (WCAG 2.1.4).
import { byId, element } from "./dom.js";
import { t } from "./i18n.js";

const store = "afina.keys";
let keys = [];

export const keysOn = () => localStorage.getItem(store) !== "off";

/**
 * list: [{key, text, run, shown?}]; the first that matches and whose run() does not return false takes the key. root: of
 * the view whose keys they are; one that was left sets none.
 */
export function setKeys(list, root = document.body) {
  if (root.isConnected) keys = list;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.getModifierState?.("AltGraph")) return;
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("textarea, select, [contenteditable]") ||
    event.target.closest?.("input:not([type=checkbox]):not([type=radio])");
  if (typing) return;
  if (event.key === "?") openSheet();
  else if (!keysOn() || !keys.some((one) => one.key === event.key && one.run(event) !== false)) return;
  event.preventDefault();
}

export function openSheet() {
  const rows = [...keys.filter((one) => one.text), { key: "?", text: t("key_help") }];
  byId("keys-list").replaceChildren(...rows.flatMap(({ key, text }) =>
    [element("dt", {}, element("kbd", {}, key)), element("dd", {}, text)]));
  byId("keys-on").checked = keysOn();
  byId("keys").showModal();
  byId("keys-title").focus();  // not the box at its end, which a small screen would scroll to
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
  byId("open-keys").addEventListener("click", openSheet);
  byId("keys-on").addEventListener("change", (event) => localStorage.setItem(store, event.target.checked ? "on" : "off"));
}
