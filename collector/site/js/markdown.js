// SPDX-License-Identifier: Apache-2.0
// A closed subset of Markdown as elements: paragraphs, headings (as bold lines), lists, fences, code, strong, em, tables.
// Everything else, HTML, links and pictures among it, stays the text it is: what a model writes is never trusted. Every
// text node knows where in the text it begins, so that a selection can be told as a place in what was stored.
import { element } from "./dom.js";

/** Characters that hide or reorder text: bidi controls, zero-width ones, tags. Joiners of emoji and scripts stay. */
const hidden = /[\u200b\u200e\u200f\u061c\u202a-\u202e\u2060-\u2069\ufeff]|[\u{e0000}-\u{e007f}]/gu;
const origins = new WeakMap();

/** Where in the rendered text (UTF-16) a text node begins; undefined for nodes of others. */
export const originOf = (node) => origins.get(node);

/** Appends text[from, to) without what hides. */
function piece(text, from, to, parent) {
  const put = (a, b) => {
    if (a >= b) return;
    const node = document.createTextNode(text.slice(a, b));
    origins.set(node, a);
    parent.append(node);
  };
  let at = from;
  for (const found of text.slice(from, to).matchAll(hidden)) {
    put(at, from + found.index);
    at = from + found.index + found[0].length;
  }
  put(at, to);
  return parent;
}

function inline(text, from, to, parent) {
  const pattern = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\s][^*\n]*)\*/g;
  let at = from;
  for (const found of text.slice(from, to).matchAll(pattern)) {
    const begin = from + found.index, end = begin + found[0].length;
    const [, code, strong, strongToo] = found;
    const mark = strong ?? strongToo ? 2 : 1;
    piece(text, at, begin, parent);
    const tag = code !== undefined ? "code" : mark === 2 ? "strong" : "em";
    parent.append(piece(text, begin + mark, end - mark, element(tag)));
    at = end;
  }
  return piece(text, at, to, parent);
}

/** The cells of a line of a table as [{from, to}] of the text; pipes at the ends separate nothing. */
function cellsOf(line) {
  const cells = [];
  const from = line.text.search(/\S/), end = line.text.trimEnd().length;
  let begin = line.text[from] === "|" ? from + 1 : from;
  for (let at = begin; at <= end; ++at) {
    const pipe = line.text[at] === "|" && line.text[at - 1] !== "\\";
    if (at < end && !pipe) continue;
    if (at === end && begin === end && cells.length) break;
    const inside = line.text.slice(begin, at), lead = inside.length - inside.trimStart().length;
    cells.push({ from: line.from + begin + lead, to: line.from + begin + Math.max(lead, inside.trimEnd().length) });
    begin = at + 1;
  }
  return cells;
}

const isRow = (line) => line !== undefined && line.text.includes("|");
const isRule = (line) => isRow(line) && /^[\s|:-]+$/.test(line.text) && line.text.includes("-");
/** Whether a table begins at lines[i]: as many heads as the rule below them has parts. */
const isTable = (lines, i) => isRow(lines[i]) && isRule(lines[i + 1]) && cellsOf(lines[i]).length === cellsOf(lines[i + 1]).length;

/** Every cell that was written is there, also where a line has more of them than the head. */
function tableOf(text, head, rows) {
  const row = (tag, line) =>
    element("tr", {}, cellsOf(line).map(({ from, to }) => inline(text, from, to, element(tag, { dir: "auto", scope: tag === "th" ? "col" : null }))));
  return element("div", { class: "table", tabindex: "0" },
    element("table", {}, element("thead", {}, row("th", head)), element("tbody", {}, rows.map((line) => row("td", line)))));
}

function linesOf(text) {
  const lines = [];
  for (let from = 0; from <= text.length;) {
    const end = text.indexOf("\n", from) < 0 ? text.length : text.indexOf("\n", from);
    lines.push({ from, to: end, text: text.slice(from, end) });
    from = end + 1;
  }
  return lines;
}

/** Replaces the children of `parent` with the text, rendered. */
export function render(text, parent) {
  const blocks = [];
  let paragraph = [], list = null;
  const closeParagraph = () => {
    if (!paragraph.length) return;
    const node = element("p", { dir: "auto" });
    paragraph.forEach((line, index) => {
      if (index) node.append(element("br"));
      inline(text, line.from, line.to, node);
    });
    blocks.push(node);
    paragraph = [];
  };
  const lines = linesOf(text);
  const fence = (line) => line.text.trimStart().startsWith("```");
  for (let i = 0; i < lines.length; ++i) {
    const line = lines[i];
    if (fence(line)) {
      closeParagraph();
      list = null;
      const first = ++i;
      while (i < lines.length && !fence(lines[i])) ++i;
      const code = element("code");
      if (i > first) piece(text, lines[first].from, lines[i - 1].to, code);
      blocks.push(element("pre", { tabindex: "0", dir: "ltr" }, code));
      continue;
    }
    if (isTable(lines, i)) {
      closeParagraph();
      list = null;
      const first = i += 2;
      while (isRow(lines[i])) ++i;
      blocks.push(tableOf(text, line, lines.slice(first, i)));
      --i;
      continue;
    }
    const heading = /^#{1,6}\s+/.exec(line.text);
    const item = /^\s*(?:([-*+])|(\d{1,4})[.)])\s+(?=\S)/.exec(line.text);
    if (heading) {
      closeParagraph();
      list = null;
      blocks.push(inline(text, line.from + heading[0].length, line.to, element("p", { class: "head", dir: "auto" })));
    } else if (item) {
      closeParagraph();
      const tag = item[1] ? "ul" : "ol";
      if (list?.localName !== tag) {
        list = element(tag, { dir: "auto", start: tag === "ol" ? item[2] : null });
        blocks.push(list);
      }
      list.append(inline(text, line.from + item[0].length, line.to, element("li")));
    } else if (!line.text.trim()) {
      closeParagraph();
    } else {
      list = null;
      paragraph.push(line);
    }
  }
  closeParagraph();
  parent.replaceChildren(...blocks);
}
