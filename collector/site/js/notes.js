// SPDX-License-Identifier: Apache-2.0
// Notes on fragments of answers: select text with a mouse or a finger, or write the fragment. Places are code points of
// the text as stored.
import {nameOf} from "./details.js";
import {announce, element, newId} from "./dom.js";
import {t} from "./i18n.js";
import {paint, selectedIn, toCodePoints, toUtf16, widen} from "./spans.js";
import {button, select} from "./ui.js";

export const noteKinds = ["good", "bad", "wrong", "personal_data", "dialect", "other"];
const kRestMs = 150;  // a selection that is still being drawn is none yet
const short = (text) => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

/** answers: [{side, text, body}]; opened() runs when a selection brings a fragment. */
export function spanNotes(answers, changed, opened) {
  let notes = [], picked = null;
  const side = select(answers.map((answer) => [answer.side, nameOf(answer)]), answers[0].side, { "aria-label": t("note_side"), hidden: answers.length < 2 });
  const fragment = element("input", { type: "text", dir: "auto", id: newId("fragment"), class: "fragment", placeholder: t("note_fragment") });
  const kind = select(noteKinds.map((name) => [name, t(`note_${name}`)]), "wrong", { "aria-label": t("note_kind") });
  const words = element("input", { type: "text", dir: "auto", maxlength: "300", placeholder: t("note_text"), "aria-label": t("note_text") });
  const problem = element("p", { class: "problem", role: "alert", hidden: true });
  const list = element("ul", { class: "notes" });
  const answerOf = (name) => answers.find((answer) => answer.side === name);

  fragment.addEventListener("input", () => {
    picked = null;
  });
  let last = "";
  const onSelect = () => {
    const found = answers.map(({ side: name, text, body }) => ({ name, text, place: selectedIn(body, text) })).find(({ place }) => place);
    const told = found ? `${found.name} ${found.place.from} ${found.place.to}` : "";
    if (told === last) return;  // what stays selected does not undo what was typed since
    last = told;
    if (found) {
      const { name, text, place } = found;
      picked = { side: name, ...place };
      side.value = name;
      fragment.value = text.slice(place.from, place.to);
      opened();
    }
  };
  // A mouse may be let go anywhere, and a finger or the keyboard never lets go: what is selected tells itself.
  let resting = 0;
  const leaving = new AbortController();
  document.addEventListener("selectionchange", () => {
    clearTimeout(resting);
    resting = setTimeout(onSelect, kRestMs);
  }, { signal: leaving.signal });

  const placeOf = () => {
    if (picked && picked.side === side.value) return picked;
    const { text } = answerOf(side.value);
    const from = fragment.value ? text.indexOf(fragment.value) : -1;
    if (from < 0) return null;
    const [first, last] = widen(text, from, from + fragment.value.length);
    return { from: first, to: last };
  };
  const add = () => {
    const place = placeOf();
    problem.hidden = Boolean(place);
    problem.textContent = place ? "" : t("note_not_found");
    if (!place) return fragment.focus();
    const { text } = answerOf(side.value);
    notes.push({
      side: side.value,
      start: toCodePoints(text, place.from),
      end: toCodePoints(text, place.to),
      kind: kind.value,
      ...(words.value.trim() ? { text: words.value.trim() } : {})
    });
    fragment.value = words.value = "";
    picked = null;
    announce(t("note_added"));
    draw();
    changed();
    fragment.focus();
  };
  function draw() {
    const places = notes.map((note) => {
      const { text, body } = answerOf(note.side);
      return { note, text, body, from: toUtf16(text, note.start), to: toUtf16(text, note.end) };
    });
    list.replaceChildren(
      ...places.map(({ note, text, from, to }) => element("li", {},
                      element("span", { class: "tag" }, `${nameOf(answerOf(note.side))} · ${t(`note_${note.kind}`)}`),
                      element("q", { dir: "auto" }, short(text.slice(from, to))), note.text ? element("span", { dir: "auto" }, note.text) : null,
                      button(t("remove"), () => {
                        notes = notes.filter((other) => other !== note);
                        draw();
                        changed();
                      }, { class: "link" }))));
    paint(places);
  }
  const enter = (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      add();
    }
  };
  for (const box of [fragment, words]) box.addEventListener("keydown", enter);
  return {
    node: element("fieldset", { class: "part" }, element("legend", {}, t("notes_title")), element("p", { class: "muted small" }, t("notes_help")),
      element("div", { class: "note-form" }, side, element("div", { class: "grow" }, element("label", { for: fragment.id, class: "sr" }, t("note_fragment")), fragment), kind, words, button(t("note_add"), add)),
      problem, list),
    get value() {
        return notes;
      }
    , set value(given) {
      notes = given.filter((note) => answerOf(note.side));
      draw();
    }
    , close: () => {
      leaving.abort();
      clearTimeout(resting);
      paint([]);
    },
  };
}
