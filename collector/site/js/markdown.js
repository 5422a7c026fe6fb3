// SPDX-License-Identifier: Apache-2.0
// A closed subset of Markdown as elements: paragraphs, headings (as bold lines), lists, fences, code, strong, em.
// Everything else, HTML, links and pictures among it, stays the text it is: what a model writes is never trusted.
import { element } from "./dom.js";

/** Characters that hide or reorder text: bidi controls, zero-width ones, tags. */
export const visible = (text) =>
  text.replace(/[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]|[\u{e0000}-\u{e007f}]/gu, "");

function inline(text, parent) {
  const pattern = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\s][^*\n]*)\*/g;
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    parent.append(text.slice(from, found.index));
    const [whole, code, strong, strongToo, em] = found;
    if (code !== undefined) parent.append(element("code", {}, code));
    else if (em !== undefined) parent.append(element("em", {}, em));
    else parent.append(element("strong", {}, strong ?? strongToo));
    from = found.index + whole.length;
  }
  parent.append(text.slice(from));
  return parent;
}

/** Replaces the children of `parent` with the text, rendered. */
export function render(text, parent) {
  const blocks = [];
  let paragraph = [], list = null;
  const closeParagraph = () => {
    if (!paragraph.length) return;
    const node = element("p");
    paragraph.forEach((line, index) => {
      if (index) node.append(element("br"));
      inline(line, node);
    });
    blocks.push(node);
    paragraph = [];
  };
  const close = () => { closeParagraph(); list = null; };
  const lines = visible(text).split("\n");
  for (let i = 0; i < lines.length; ++i) {
    const line = lines[i];
    if (line.trimStart().startsWith("```")) {
      close();
      const code = [];
      for (++i; i < lines.length && !lines[i].trimStart().startsWith("```"); ++i) code.push(lines[i]);
      blocks.push(element("pre", { tabindex: "0" }, element("code", {}, code.join("\n"))));
      continue;
    }
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    const item = /^\s*(?:([-*+])|(\d{1,4})[.)])\s+(.*)$/.exec(line);
    if (heading) {
      close();
      blocks.push(inline(heading[1], element("p", { class: "head" })));
    } else if (item) {
      closeParagraph();
      const tag = item[1] ? "ul" : "ol";
      if (list?.localName !== tag) {
        list = element(tag, tag === "ol" ? { start: item[2] } : {});
        blocks.push(list);
      }
      list.append(inline(item[3], element("li")));
    } else if (!line.trim()) {
      closeParagraph();
    } else {
      list = null;
      paragraph.push(line);
    }
  }
  close();
  parent.replaceChildren(...blocks);
}
