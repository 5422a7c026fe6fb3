// SPDX-License-Identifier: Apache-2.0
// Answers in order, best first, moved by buttons or by arrow keys; an answer may share the rank of the one above it.
import {announce, element} from "./dom.js";
import {t} from "./i18n.js";

const kPreview = 70;

/** answers: [{side, text}]. */
export function rankingGroup(legend, answers, changed = () => {}) {
  const sides = answers.map(({ side }) => side);
  const preview = (side) => answers.find((answer) => answer.side === side).text.replace(/\s+/g, " ").slice(0, kPreview);
  let order = sides.map((side) => ({ side, tied: false }));
  let touched = false;
  const list = element("ol", { class: "ranking" });
  const tiers = () => {
    const out = [];
    order.forEach(({ side, tied }, index) => {
      if (index && tied)
        out.at(-1).push(side);
      else
        out.push([side]);
    });
    return out;
  };
  const rankOf = (side) => tiers().findIndex((tier) => tier.includes(side)) + 1;
  const move = (index, by, focus) => {
    const to = index + by;
    if (to < 0 || to >= order.length) return;
    const [one] = order.splice(index, 1);
    order.splice(to, 0, one);
    settle(one.side, focus);
  };
  const settle = (side, focus) => {
    touched = true;
    order[0].tied = false;
    draw();
    list.querySelector(`[data-side="${side}"] ${focus}`)?.focus();
    announce(t("ranked", { side: side.toUpperCase(), rank: rankOf(side), all: order.length }));
    changed();
  };
  const arrow = (index, by, side) => element("button", {
    type: "button",
    class: by < 0 ? "up" : "down",
    disabled: index + by < 0 || index + by >= order.length,
    "aria-label": t(by < 0 ? "rank_up" : "rank_down", { side: side.toUpperCase() }),
    onclick: () => move(index, by, by < 0 ? ".up:enabled, .down" : ".down:enabled, .up"),
  },
    by < 0 ? "↑" : "↓");
  function draw() {
    list.replaceChildren(...order.map(({ side, tied }, index) => {
      const item = element("li", { "data-side": side, class: index && tied ? "tied" : null },
        element("button", {
          type: "button",
          class: "grip",
          "aria-label": t("rank_item", { side: side.toUpperCase(), rank: rankOf(side), all: order.length })
        },
          element("b", { class: "badge", "aria-hidden": "true" }, side.toUpperCase())),
        element("span", { class: "grow" }, t("rank_place", { rank: rankOf(side) }),
          element("span", { class: "muted small preview" }, preview(side))),
        arrow(index, -1, side), arrow(index, 1, side),
        index ? element(
                  "label", { class: "check" }, element("input", {
                    type: "checkbox",
                    checked: tied,
                    onchange: (event) => {
                      order[index].tied = event.target.checked;
                      settle(side, "input");
                    }
                  }),
                  element("span", {}, t("rank_tie"))) :
                null);
      item.querySelector(".grip").addEventListener("keydown", (event) => {
        const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (!by) return;
        event.preventDefault();
        move(index, by, ".grip");
      });
      return item;
    }));
  }
  draw();
  return {
    node: element("fieldset", { class: "verdict" }, element("legend", {}, legend),
      element("p", { class: "muted small" }, t("rank_help")), list),
    get value() { return tiers(); },
    /** An order nobody has touched asks for a second look before it is sent. */
    get touched() { return touched; },
    set value(wanted) {
      if (wanted.flat().sort().join() !== [...sides].sort().join()) return;
      order = wanted.flatMap((tier) => tier.map((side, index) => ({ side, tied: index > 0 })));
      touched = true;
      draw();
    },
  };
}
