// SPDX-License-Identifier: Apache-2.0
// Places in an answer's text. The page counts UTF-16 units, the server code points; a place never cuts a surrogate pair
// nor a letter from its combining marks.
import { originOf } from "./markdown.js";

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;
const isLow = (unit) => unit >= 0xdc00 && unit <= 0xdfff;
const isMark = (text, at) => /^\p{M}/u.test(text.slice(at, at + 2));

/** [from, to) of UTF-16 units, moved outwards to whole letters as a person sees them. */
export function widen(text, from, to) {
  if (segmenter) {
    const segments = segmenter.segment(text);
    const first = from < text.length ? segments.containing(from).index : from;
    const last = to < text.length ? segments.containing(to) : null;
    return [first, last && last.index !== to ? last.index + last.segment.length : to];
  }
  while (from > 0 && (isLow(text.charCodeAt(from)) || isMark(text, from))) --from;
  while (to < text.length && (isLow(text.charCodeAt(to)) || isMark(text, to))) ++to;
  return [from, to];
}

/** UTF-16 offset → number of code points before it. */
export function toCodePoints(text, utf16) {
  let count = 0;
  for (let at = 0; at < utf16 && at < text.length; ++count) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return count;
}

/** Number of code points → UTF-16 offset. */
export function toUtf16(text, points) {
  let at = 0;
  for (let count = 0; count < points && at < text.length; ++count) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

/** What of `body` is selected, as {from, to} of the text it shows, or null. */
export function selectedIn(body, text) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(body)) return null;
  let from = -1, to = -1;
  for (const node of textNodes(body)) {
    if (!range.intersectsNode(node)) continue;
    const begin = originOf(node) + (node === range.startContainer ? range.startOffset : 0);
    const end = originOf(node) + (node === range.endContainer ? range.endOffset : node.length);
    if (end <= begin) continue;
    if (from < 0) from = begin;
    to = end;
  }
  if (from < 0 || !body.contains(range.commonAncestorContainer)) return null;
  const [first, last] = widen(text, from, to);
  return text.slice(first, last).trim() ? { from: first, to: last } : null;
}

function textNodes(body) {
  const nodes = [];
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (originOf(node) !== undefined) nodes.push(node);
  }
  return nodes;
}

/** Paints [from, to) places (UTF-16) of bodies, where the browser can: no element is added to what is shown. */
export function paint(places) {
  if (!globalThis.CSS?.highlights) return;
  const ranges = [];
  for (const { body, from, to } of places) {
    for (const node of textNodes(body)) {
      const begin = originOf(node), end = begin + node.length;
      if (end <= from || begin >= to) continue;
      const range = new Range();
      range.setStart(node, Math.max(from, begin) - begin);
      range.setEnd(node, Math.min(to, end) - begin);
      ranges.push(range);
    }
  }
  CSS.highlights.set("note", new Highlight(...ranges));
}
