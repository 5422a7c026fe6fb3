// SPDX-License-Identifier: Apache-2.0
// One turn of a conversation: what the person wrote, the answer or the blind pair, and what follows a pair: vote, undo,
// reason, reveal. It shows the server's state and never knows a model's name before the server tells it.
import { byId, element } from "./dom.js";
import { hasWord, t } from "./i18n.js";
import { render } from "./markdown.js";

/** Verdicts in the order of the keys 1..7, then the three that are no point of the scale. */
export const scale = [3, 2, 1, 0, -1, -2, -3];
export const others = ["both_good", "both_bad", "cannot_judge"];
export const keyOf = { 3: "1", 2: "2", 1: "3", 0: "4", "-1": "5", "-2": "6", "-3": "7", both_good: "g", both_bad: "0", cannot_judge: "x" };

const problem = (code) => t(hasWord(`error.${code}`) ? `error.${code}` : "error.unknown");

export class TurnView {
  /** actions: vote(turn, outcome), undo(turn), reason(turn, text), reveal(turn), retry(turn). */
  constructor(turn, actions) {
    this.actions = actions;
    this.node = element("article", { class: "turn" });
    this.bodies = {};
    this.show(turn);
  }

  /** Draws the whole turn again; a reason that is being written stays. */
  show(turn) {
    const written = this.node.querySelector("textarea")?.value;
    this.turn = turn;
    this.bodies = {};
    this.states = {};
    const pair = turn.answers.length === 2;
    const answers = element("div", { class: pair ? "answers two" : "answers", "aria-busy": turn.state === "running" ? "true" : "false" },
      ...turn.answers.map((answer) => this.answerCard(answer)));
    this.answers = answers;
    this.node.replaceChildren(
      element("div", { class: "mine" }, element("span", { class: "sr" }, `${t("you")}: `), turn.text), answers, ...this.below());
    const reason = this.node.querySelector("textarea");
    if (reason && written) reason.value = written;
  }

  answerCard(answer) {
    const single = answer.side === "only";
    const side = answer.side.toUpperCase();
    const state = element("span", { class: "state" });
    const title = single ? element("h2", {}, t("answer"), state)
      : element("h2", { "aria-label": t("answer_side", { side }) }, element("b", { "aria-hidden": "true" }, side), state);
    const body = element("div", { class: "body" });
    render(answer.text, body);
    const card = element("section", { class: "answer", "data-side": answer.side }, title, body);
    if (answer.error) {
      card.append(element("p", { class: "problem" }, t("side_failed", { why: problem(answer.error) })));
    } else if (this.turn.state === "running") {
      state.textContent = t("writing");
    } else if (answer.finish_reason === "length") {
      card.append(element("p", { class: "muted small" }, t("cut_short")));
    }
    const model = this.turn.reveal?.[answer.side];
    if (model) card.append(element("p", { class: "was" }, t("was_model", { model })));
    this.bodies[answer.side] = { body, state, answer };
    return card;
  }

  /** A piece of a streamed answer. */
  append(side, text) {
    const part = this.bodies[side];
    if (!part) return;
    part.answer.text += text;
    if (part.frame) return;
    part.frame = requestAnimationFrame(() => {
      part.frame = 0;
      render(part.answer.text, part.body);
    });
  }

  below() {
    const { turn } = this;
    if (turn.state === "running") return [];
    const retry = element("button", { type: "button", onclick: () => this.actions.retry(turn) }, t("try_again"));
    if (turn.state === "interrupted") return [element("p", { class: "muted" }, t("interrupted"), " ", retry)];
    const failed = turn.answers.some((answer) => answer.error);
    if (failed && turn.answers.length === 2) return [element("p", { class: "muted" }, t("pair_failed"), " ", retry)];
    if (failed) return [element("p", {}, retry)];
    if (turn.vote) return [this.afterVote()];
    return turn.votable ? [this.voteForm()] : [];
  }

  voteForm() {
    const button = (outcome) => element("button",
      { type: "button", "data-outcome": String(outcome), "aria-keyshortcuts": keyOf[outcome], onclick: () => this.actions.vote(this.turn, outcome) },
      element("span", {}, t(`vote_${outcome}`)), element("kbd", { "aria-hidden": "true" }, keyOf[outcome]));
    return element("fieldset", { class: "vote" }, element("legend", {}, t("vote_title")),
      element("div", { class: "scale" }, ...scale.map(button)), element("div", { class: "others" }, ...others.map(button)));
  }

  afterVote() {
    const { turn, actions } = this;
    const box = element("div", { class: "after" });
    const line = element("p", { class: "row" }, element("strong", {}, t("voted", { vote: t(`vote_${turn.vote.outcome}`) })));
    box.append(line);
    if (turn.vote.waiting) box.append(element("p", { class: "muted", role: "status" }, t("vote_waiting")));
    if (!turn.reveal) {
      line.append(element("button", { type: "button", class: "undo", "aria-keyshortcuts": "u", onclick: () => actions.undo(turn) }, t("undo")));
    }
    if (turn.vote.reason) box.append(element("p", {}, t("your_reason", { reason: turn.vote.reason })));
    else if (!turn.reveal) box.append(this.reasonForm());
    if (turn.reveal) {
      box.append(element("p", {}, element("strong", {}, t("revealed", turn.reveal))), element("p", { class: "muted" }, t("go_on")));
    } else {
      box.append(element("button", { type: "button", class: "primary reveal", onclick: () => actions.reveal(turn) }, t("reveal")),
        element("p", { class: "muted small" }, t("reveal_note")));
    }
    return box;
  }

  reasonForm() {
    const id = `reason-${this.turn.exposure}`;
    const text = element("textarea", { id, rows: "2", maxlength: "2000", placeholder: t("reason_placeholder") });
    const form = element("form", {}, element("label", { for: id }, t("reason_label")), text,
      element("button", { type: "submit" }, t("reason_send")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (text.value.trim()) this.actions.reason(this.turn, text.value.trim());
    });
    return form;
  }
}

/** Fills the sheet of keyboard shortcuts. */
export function fillKeys() {
  const row = (key, text) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, text)];
  byId("keys-list").replaceChildren(
    ...[...scale, ...others].flatMap((outcome) => row(keyOf[outcome], t(`vote_${outcome}`))),
    ...row("u", t("key_undo")), ...row("m", t("key_reveal")), ...row("n", t("key_new")), ...row("Enter", t("key_send")),
    ...row("?", t("key_help")));
}
