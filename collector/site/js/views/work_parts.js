// SPDX-License-Identifier: Apache-2.0
// Parts of a task: the prompt, its answers, the reasons to skip, what a training item teaches.
import {nameOf} from "../details.js";
import {element} from "../dom.js";
import {t, wordOf} from "../i18n.js";
import {render} from "../markdown.js";
import {attempt, button, select} from "../ui.js";

export function promptBox(messages) {
  return element("div", { class: "prompt" }, messages.map(({ role, content }) => {
    const text = element(
      "div", { class: role === "user" ? "mine" : "theirs" }, element("span", { class: "role small" }, wordOf("role_", role)));
    const body = element("div", { class: "body" });
    render(content, body);
    text.append(body);
    return text;
  }));
}

/** node, and parts: [{side, text, body}] as judge.js wants them. */
export function answerCards(answers) {
  const many = answers.length > 1;
  const parts = answers.map(({ side, text }) => {
    const body = element("div", { class: "body" });
    render(text, body);
    return { side, text, body, alone: !many };
  });
  const node = element("div", { class: answers.length === 2 ? "answers two" :
      many                                                  ? "answers many" :
                                                              "answers" },
    parts.map((part) => element("section", { class: "answer", "data-side": part.side },
                element("h3", { "aria-label": nameOf(part) },
                  many ? element("b", { class: "badge", "aria-hidden": "true" }, part.side.toUpperCase()) : t("answer")),
                part.body)));
  return { node, parts };
}

const reasons = ["unclear", "language", "harmful", "personal_data", "technical", "other"];

export function skipDialog(skip) {
  const why =
    select(reasons.map((name) => [name, t(`skip_${name}`)]), "unclear", { "aria-label": t("skip_why"), autofocus: true });
  const dialog = element("dialog", { class: "skip-dialog", "aria-label": t("skip_why") }, element("h2", {}, t("skip_why")), why,
    element("form", { method: "dialog", class: "row" }, element("button", { value: "" }, t("cancel")),
      element("button", { value: "skip", class: "primary" }, t("skip"))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "skip") attempt(() => skip(why.value));
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** A verdict in words, given or expected. many: whether there are several answers, which letters tell apart. */
export function verdictText(body, many = true) {
  const prefix = (side) => (many && side !== "only" ? `${side.toUpperCase()} ` : "");
  if (body.outcome !== undefined && body.outcome !== null) return wordOf("vote_", String(body.outcome));
  if (body.tiers) return body.tiers.map((tier) => tier.map((side) => side.toUpperCase()).join(" = ")).join(" > ");
  if (body.aspects?.length)
    return body.aspects
      .map(({ side, aspect, value }) => `${prefix(side)}${wordOf("aspect_", aspect)} ${value}`)
      .join(", ");
  if (body.flags?.length)
    return body.flags.map(({ side, kind }) => `${prefix(side)}${wordOf("flag_", kind)}`).join(", ");
  if (body.flags) return t("flags_none");
  return body.rewrite ? t("rewritten") : "—";
}

/** many: whether the task has several answers. */
export function feedback(desk, {correct, expected, text}, next, many) {
  const go = button(t("next_task"), next, { class: "primary", id: "next-task" });
  const words = expected ? verdictText(expected, many) : "";
  const body = element("div", { class: "prose" });
  render(text ?? "", body);
  desk.append(element("div", { class: correct ? "feedback right" : "feedback wrong", role: "status" },
    element("h2", {}, t(correct ? "training_right" : "training_wrong")),
    words ? element("p", {}, t("training_expected", { expected: words })) : null, body, go));
  desk.querySelector(".vote")?.setAttribute("inert", "");
  go.focus();
}
