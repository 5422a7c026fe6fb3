// SPDX-License-Identifier: Apache-2.0
// One turn of a conversation: what the person wrote, the answer or the blind pair, and what follows a pair: vote, undo,
// correction, reveal. It shows the server's state and never knows a model's name before the server tells it.
import {element} from "../dom.js";
import {t, wordOf} from "../i18n.js";
import {Judgement} from "../judge.js";
import {render} from "../markdown.js";
import {button, form} from "../ui.js";

const problem = (code) => wordOf("error.", code);

export class TurnView {
  /** actions: vote(turn, body), undo(turn), correct(turn, body), note(turn, body), reveal, retry, regenerate(turn). */
  constructor(turn, actions) {
    this.actions = actions;
    this.node = element("article", { class: "turn", "aria-label": t("turn") });
    this.show(turn);
  }

  /** Draws the whole turn again; a judgement that is being made stays. */
  show(turn) {
    const written = this.judgement?.value;
    this.close();
    this.turn = turn;
    this.bodies = {};
    const pair = turn.answers.length === 2;
    const answers =
      element("div", { class: pair ? "answers two" : "answers", "aria-busy": turn.state === "running" ? "true" : "false" },
        turn.answers.map((answer) => this.answerCard(answer)));
    this.node.replaceChildren(
      element("div", { class: "mine" }, element("span", { class: "sr" }, `${t("you")}: `), turn.text), answers, ...this.below());
    if (written && this.judgement) this.judgement.value = written;
  }

  close() {
    this.judgement?.close();
    this.judgement = null;
  }

  answerCard(answer) {
    const single = answer.side === "only", side = answer.side.toUpperCase();
    const state = element("span", { class: "state" });
    const title = single ? element("h2", {}, t("answer"), " ", state) :
                           element("h2", { "aria-label": t("answer_side", { side }) },
                             element("b", { class: "badge", "aria-hidden": "true" }, side), state);
    const body = element("div", { class: "body" });
    render(answer.text, body);
    const leak = element("p", { class: "leak", hidden: !answer.reveals || Boolean(this.turn.reveal) }, t("leak_warning"));
    const card = element("section", { class: "answer", "data-side": answer.side }, title, body, leak);
    if (answer.error) {
      card.append(element("p", { class: "problem" }, t("side_failed", { why: problem(answer.error) })));
    } else if (this.turn.state === "running") {
      state.textContent = t("writing");
    } else if (answer.finish_reason === "length") {
      card.append(element("p", { class: "muted small" }, t("cut_short")));
    }
    const model = this.turn.reveal?.[answer.side];
    if (model) card.append(element("p", { class: "was" }, t("was_model", { model })));
    this.bodies[answer.side] = { body, state, answer, leak };
    return card;
  }

  /** A piece of a streamed answer. */
  append(side, text) {
    const part = this.bodies[side];
    if (!part) return;
    part.answer.text += text;
    part.frame ||= requestAnimationFrame(() => {
      part.frame = 0;
      render(part.answer.text, part.body);
    });
  }

  /** The text seems to name its maker. */
  leaked(side) {
    const part = this.bodies[side];
    if (!part) return;
    part.answer.reveals = true;
    part.leak.hidden = false;
  }

  below() {
    const { turn, actions } = this;
    if (turn.state === "running") return [];
    const retry = button(t("try_again"), () => actions.retry(turn));
    if (turn.state === "interrupted") return [element("p", { class: "muted" }, t("interrupted"), " ", retry)];
    const failed = turn.answers.some((answer) => answer.error);
    if (failed && turn.answers.length === 2) return [element("p", { class: "muted" }, t("pair_failed"), " ", retry)];
    if (failed) return [element("p", {}, retry)];
    if (turn.vote && this.editing) return [this.voteForm(turn.vote)];
    if (turn.vote) return [this.afterVote()];
    return turn.votable ? [this.voteForm()] : turn.latest ? [this.noteForm()] : [];
  }

  parts() {
    return this.turn.answers.map(
      (answer) => ({ side: answer.side, text: answer.text, alone: answer.side === "only", body: this.bodies[answer.side].body }));
  }

  /** The blind pair's form; with an earlier vote it corrects that. */
  voteForm(earlier = null) {
    const { turn, actions } = this;
    this.judgement = new Judgement({ kind: "pairwise", answers: this.parts() });
    if (earlier) this.judgement.value = {...earlier, ...(turn.details ?? earlier.details ?? {}) };
    const send = form(t(earlier ? "vote_correct" : "vote_send"), async () => {
      const problemLine = send.querySelector(".refusal");
      problemLine.textContent = this.judgement.missing;
      problemLine.hidden = !this.judgement.missing;
      if (this.judgement.missing) return this.judgement.verdict.focus();
      const body = this.judgement.value;
      this.editing = false;
      (earlier ? actions.correct : actions.vote)(turn, body);
    }, this.judgement.node);
    send.classList.add("vote");
    const row = send.querySelector(".actions");
    if (earlier)
      row.append(button(t("cancel"), () => {
        this.editing = false;
        this.show(turn);
      }));
    else
      row.append(button(t("regenerate"), () => actions.regenerate(turn), { class: "quiet regenerate" }));
    return send;
  }

  /** A single answer can be flagged, annotated and rewritten too. */
  noteForm() {
    const { turn, actions } = this;
    const fold = element("details", { class: "note-single" }, element("summary", {}, t("note_single")));
    fold.addEventListener("toggle", () => {
      if (!fold.open || this.judgement) return;
      this.judgement = new Judgement({ kind: "notes", answers: this.parts() });
      if (turn.note) this.judgement.value = {...turn.note.details, reason: turn.note.reason };
      this.judgement.more.open = true;
      const send = form(t("note_single_send"), () => actions.note(turn, this.judgement.value), this.judgement.node);
      fold.append(send);
    });
    return element("div", {},
      element("p", { class: "row" }, button(t("regenerate"), () => actions.regenerate(turn), { class: "quiet regenerate" })),
      fold);
  }

  afterVote() {
    const { turn, actions } = this;
    const box = element("div", { class: "after" },
      element("p", {}, element("strong", { class: "voted" }, t("voted", { vote: t(`vote_${turn.vote.outcome}`) }))));
    if (turn.vote.waiting) box.append(element("p", { class: "waiting-line" }, t("vote_waiting")));
    if (turn.vote.reason) box.append(element("p", { class: "own-reason" }, t("your_reason", { reason: turn.vote.reason })));
    if (turn.reveal) {
      box.append(element("p", { class: "revealed" }, element("strong", {}, t("revealed", turn.reveal))),
        element("p", { class: "muted" }, t("go_on")));
      return box;
    }
    box.append(element("p", { class: "row" },
                 button(t("reveal"), () => actions.reveal(turn), { class: "primary reveal", "aria-keyshortcuts": "m" }),
                 button(t("vote_edit"),
                   () => {
                     this.editing = true;
                     this.show(turn);
                     this.judgement.verdict.focus();
                   },
                   { class: "edit" }),
                 button(t("undo"), () => actions.undo(turn), { class: "undo", "aria-keyshortcuts": "u" })),
      element("p", { class: "muted small" }, t("reveal_note")));
    return box;
  }
}
