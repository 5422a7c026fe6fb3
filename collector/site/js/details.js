// SPDX-License-Identifier: Apache-2.0
// What may be said about single answers: ratings by aspect, flags, a reason, a rewrite. Each part has node, value (as
// the API takes it) and what the keys need.
import {element, newId} from "./dom.js";
import {names, shownLocale, t} from "./i18n.js";
import {bytes, room} from "./room.js";
import {button, field, select} from "./ui.js";

// What the server takes.
const kMostReasonBytes = 4000, kMostRewriteBytes = 32 * 1024;

/** What an answer is called; one alone has no letter. */
export const nameOf = ({side, alone}) => (alone ? t("answer") : t("answer_side", {side: side.toUpperCase()}));
const letter = ({ side, alone }) => (alone ? t("answer") : side.toUpperCase());

export function aspectTable(answers, aspects, first, changed) {
  const boxes = new Map();
  const cell = (answer, aspect) => {
    const { side } = answer;
    const box = select([["", "—"], ...[1, 2, 3, 4, 5].map((n) => [n, `${n} · ${t(`rate_${n}`)}`])], "",
      { "aria-label": `${t(`aspect_${aspect}`)}, ${nameOf(answer)}`, onchange: changed });
    boxes.set(`${side} ${aspect}`, box);
    return element("td", {}, answer.alone ? null : element("span", { class: "side", "aria-hidden": "true" }, letter(answer)), box);
  };
  const node =
    element("fieldset", { class: "part" }, element("legend", {}, t(first ? "aspects_title_required" : "aspects_title")),
      element("table", { class: "aspects" },
        element("thead", {},
          element("tr", {}, element("td"), answers.map((answer) => element("th", { scope: "col" }, letter(answer))))),
        element("tbody", {},
          aspects.map((aspect) => element("tr", {},
                        element("th", { scope: "row" }, t(`aspect_${aspect}`),
                          element("span", { class: "muted small" }, t(`aspect_${aspect}_help`))),
                        answers.map((answer) => cell(answer, aspect)))))));
  return {
    node,
    get value() {
      return [...boxes].filter(([, box]) => box.value).map(([name, box]) => {
        const [side, aspect] = name.split(" ");
        return { side, aspect, value: Number(box.value) };
      });
    },
    set value(list) {
      for (const box of boxes.values()) box.value = "";
      for (const { side, aspect, value } of list)
        if (boxes.has(`${side} ${aspect}`)) boxes.get(`${side} ${aspect}`).value = String(value);
    },
  };
}

export const flagKinds = ["toxic", "personal_data", "hallucination"];

/** notes: whether words may stand beside a mark. */
export function flagTable(answers, changed, { notes = true } = {}) {
  const rows = [];
  const group = (answer) =>
    element("fieldset", { class: "flags" }, element("legend", {}, nameOf(answer)), flagKinds.map((kind) => {
      const note = element("input", {
        type: "text",
        dir: "auto",
        maxlength: "300",
        hidden: true,
        placeholder: t("flag_note"),
        "aria-label": `${t(`flag_${kind}`)}: ${t("flag_note")}`,
        oninput: changed
      });
      const box = element("input", {
        type: "checkbox",
        onchange: () => {
          note.hidden = !notes || !box.checked;
          changed();
        }
      });
      rows.push({ side: answer.side, kind, box, note });
      return element("div", {}, element("label", { class: "check" }, box, element("span", {}, t(`flag_${kind}`))), note);
    }));
  const groups = answers.map(group);
  return {
    node:
      element("fieldset", { class: "part" }, element("legend", {}, t("flags_title")), element("div", { class: "sides" }, groups)),
    focus: (index) => groups[Math.min(index, groups.length - 1)].querySelector("input").focus(),
    get value() {
      return rows.filter(({ box }) => box.checked).map(({ side,
        kind,
        note }) => ({ side, kind, ...(note.value.trim() ? { note: note.value.trim() } : {}) }));
    },
    set value(list) {
      for (const row of rows) {
        const given = list.find(({ side, kind }) => side === row.side && kind === row.kind);
        row.box.checked = Boolean(given);
        row.note.value = given?.note ?? "";
        row.note.hidden = !notes || !given;
      }
    },
  };
}

export function reasonFields(changed) {
  const text = element("textarea", {
    id: newId("reason"),
    rows: "2",
    dir: "auto",
    class: "reason",
    placeholder: t("reason_placeholder"),
    oninput: changed
  });
  const left = room(text, kMostReasonBytes, bytes);
  const languages = [...Object.entries(names), ["other", t("other_language")]];
  const language = select(languages.map(([id, name]) => [id === "other" ? "und" : id, name]), shownLocale(),
    { class: "reason-language", "aria-label": t("reason_language"), onchange: changed });
  return {
    node: element("div", { class: "field" },
      element("label",
        { for: text.id
        },
        t("reason_label")),
      text, left.node, element("p", { class: "row small" }, t("reason_language"), language)),
    focus: () => text.focus(),
    get over() { return left.over; },
    get value() { return text.value.trim(); },
    set value(words) {
      text.value = words;
      left.look();
    },
    get language() { return language.value; },
    set language(id) {
      if ([...language.options].some((option) => option.value === id)) language.value = id;
    },
  };
}

/** better(): the side to start from, or null. */
export function rewriteField(answers, better, first, changed) {
  const text =
    element("textarea", { id: newId("rewrite"), rows: first ? "8" : "4", dir: "auto", class: "rewrite", oninput: changed });
  const left = room(text, kMostRewriteBytes, bytes);
  const fill = (side) => {
    text.value = answers.find((answer) => answer.side === side)?.text ?? "";
    left.look();
    text.focus();
    changed();
  };
  const start = () => {
    if (!text.value.trim()) fill(better() ?? answers[0].side);
  };
  return {
    node: element("div", { class: "part field" },
      element("label",
        { for: text.id
        },
        t(first ? "rewrite_title_required" : "rewrite_title")),
      element("p", { class: "row" },
        answers.map((answer) => button(t("rewrite_from", { side: nameOf(answer) }), () => fill(answer.side)))),
      text, left.node),
    focus: () => {
      start();
      text.focus();
    },
    get over() { return left.over; },
    get value() { return text.value.trim() ? text.value : ""; },
    set value(words) {
      text.value = words;
      left.look();
    },
  };
}
