// SPDX-License-Identifier: Apache-2.0
// Two small charts as plain SVG: points with intervals, and bars. Each figure stands beside its mark as text.
import {element, newId} from "../dom.js";
import {format} from "../i18n.js";

const kSpace = "http://www.w3.org/2000/svg";
const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS(kSpace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
};

/** rows: [{name, value, low, high}] on one common axis. */
export function intervals(title, rows) {
  const low = Math.min(...rows.map((row) => row.low)), high = Math.max(...rows.map((row) => row.high));
  const x = (value) => (high > low ? 2 + ((value - low) / (high - low)) * 96 : 50);
  const bar = (row) =>
    svg("svg", { class: "interval", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("line", { class: "axis", x1: 0, x2: 100, y1: 5, y2: 5 }),
      svg("line", { class: "span", x1: x(row.low), x2: x(row.high), y1: 5, y2: 5 }),
      svg("line", { class: "point", x1: x(row.value), x2: x(row.value), y1: 1, y2: 9 }));
  return element("div", {
    class: "chart",
    role: "img",
    "aria-label": `${title}: ${rows.map((row) => `${row.name} ${format(row.value, 1)}`).join(", ")}`
  },
    rows.map((row) => element("div", { class: "chart-row" }, element("span", { class: "chart-name" }, row.name), bar(row),
               element("span", { class: "chart-value" }, format(row.value, 0)))));
}

/** rows: [{name, value}] as bars from zero. */
export function columns(title, rows) {
  const most = Math.max(1, ...rows.map((row) => row.value)), id = newId("chart");
  return element("figure", { class: "chart", "aria-labelledby": id }, element("figcaption", { id }, title),
    rows.map((row) => element("div", { class: "chart-row" }, element("span", { class: "chart-name" }, row.name),
               svg("svg", { class: "interval", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
                 svg("rect", { class: "bar", x: 0, y: 1, width: (row.value / most) * 100, height: 8 })),
               element("span", { class: "chart-value" }, format(row.value)))));
}
