// SPDX-License-Identifier: Apache-2.0
// The graded scale: seven steps from "A is much better" to "B is much better", and three verdicts beside it, as one
// group of native radio buttons.
import { element, newId } from "./dom.js";
import { t } from "./i18n.js";

/** Verdicts in the order of the keys 1..7, then the three that are no point of the scale. */
export const scale = [3, 2, 1, 0, -1, -2, -3];
export const others = ["both_good", "both_bad", "cannot_judge"];
export const keyOf = { 3: "1", 2: "2", 1: "3", 0: "4", "-1": "5", "-2": "6", "-3": "7", both_good: "9", both_bad: "0", cannot_judge: "x" };
export const asOutcome = (text) => (/^-?\d$/.test(text) ? Number(text) : text);

/** The group. node.value is the outcome or null; changed() runs on each choice. */
export function scaleGroup(legend, changed = () => {}) {
  const name = newId("outcome");
  const cell = (outcome) => element("label", { class: "step", "data-outcome": String(outcome) },
    element("input", { type: "radio", name, value: String(outcome), "aria-keyshortcuts": keyOf[outcome], onchange: changed }),
    element("span", {}, t(`vote_${outcome}`)), element("kbd", { "aria-hidden": "true" }, keyOf[outcome]));
  const node = element("fieldset", { class: "verdict" }, element("legend", {}, legend),
    element("div", { class: "ends", "aria-hidden": "true" }, element("b", {}, "A"), element("b", {}, "B")),
    element("div", { class: "scale" }, scale.map(cell)), element("div", { class: "others" }, others.map(cell)));
  const boxes = [...node.querySelectorAll("input")];
  return {
    node,
    get value() {
      const box = boxes.find((one) => one.checked);
      return box ? asOutcome(box.value) : null;
    },
    set value(outcome) { for (const box of boxes) box.checked = box.value === String(outcome); },
    focus: () => (boxes.find((box) => box.checked) ?? boxes[0]).focus(),
    /** Shortcuts 1..7, 0, 9, x: they choose and put the focus there, Enter sends. */
    keys: [...scale, ...others].map((outcome) => ({
      key: keyOf[outcome], text: t(`vote_${outcome}`),
      run: () => {
        const box = boxes.find((one) => one.value === String(outcome));
        box.checked = true;
        box.focus();
        changed();
      },
    })),
  };
}
