// SPDX-License-Identifier: Apache-2.0
// One turn of a conversation: what the person wrote, the answer or the blind pair, and what follows a pair: vote, undo,
// correction, reveal. It shows the server's state and never knows a model's name before the server tells it.
import {element} from "../dom.js";
import {t, wordOf} from "../i18n.js";
import {Judgement} from "../judge.js";
import {render} from "../markdown.js";
import {shownIn} from "../screen.js";
import {button, form, sure} from "../ui.js";
import {draftOf, dropDraft, keepDraft, wordsOf, written} from "../vote_drafts.js";

const problem = (code) => wordOf("error.", code);
/** Text of a person within a sentence, whichever way it runs. */
const apart = (text) => `\u2068${text}\u2069`;

/** What was voted, with its details, as the form takes it. */
export const voteOf = ({ vote, details }) => wordsOf({...vote, ...(details ?? vote.details ?? {}) });

/** Words that nothing can be done with any more but copy them; drop() throws them away. */
const keptWords = ({ reason, rewrite }, drop) => element("div", { class: "left calm" }, element("p", {}, t("words_left_over")),
  [reason, rewrite].filter(Boolean).map((text) => element("blockquote", { dir: "auto" }, text)),
  button(t("words_drop"), drop, { class: "words-drop" }));

export class TurnView {
  /** actions: vote(turn, body), undo(turn), correct(turn, body), note(turn, body), reveal, retry, regenerate(turn). */
  constructor(turn, actions) {
    this.actions = actions;
    this.node = element("article", { class: "turn", "aria-label": t("turn"), tabindex: "-1" });
    this.show(turn);
  }

  /** Draws the whole turn again; a judgement that is being made stays. */
  show(turn) {
    const same = turn.exposure === this.turn?.exposure, before = same ? this.judgement?.value : null;
    this.close();
    if (!same) this.shown = null;
    this.turn = turn;
    this.bodies = {};
    const pair = turn.answers.length === 2;
    this.answers =
      element("div", { class: pair ? "answers two" : "answers", "aria-busy": turn.state === "running" ? "true" : "false" },
        turn.answers.map((answer) => this.answerCard(answer)));
    this.node.replaceChildren(element("div", { class: "mine" }, element("span", { class: "sr" }, `${t("you")}: `), element("div", { dir: "auto" }, turn.text)),
      this.answers, ...this.below());
    if (before && this.judgement) this.judgement.value = before;
    if (pair && turn.votable) requestAnimationFrame(() => this.seen());
  }

  /** How the two answers stood when they were first whole and drawn: a window turned later tells nothing of that. */
  seen() {
    if (!this.shown?.shown) this.shown = shownIn(this.answers);
    return this.shown;
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
    if (turn.state === "interrupted") return [element("p", { class: "row muted" }, t("interrupted"), retry)];
    const failed = turn.answers.some((answer) => answer.error);
    if (failed && turn.answers.length === 2) return [element("p", { class: "row muted" }, t("pair_failed"), retry)];
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
    this.judge("pairwise", turn.exposure, earlier ? voteOf(turn) : {});
    const send = form(t(earlier ? "vote_correct" : "vote_send"), async () => {
      if (this.lacks(send)) return;
      const body = {...this.judgement.value, ...this.seen() };
      this.editing = false;
      (earlier ? actions.correct : actions.vote)(turn, body);
    }, this.judgement.node);
    send.classList.add("vote");
    const row = send.querySelector(".actions");
    if (earlier)
      row.append(button(t("cancel"), () => {
        this.editing = false;
        dropDraft(turn.exposure);
        this.show(turn);
      }));
    else
      row.append(this.regenerate());
    return send;
  }

  /** The form, with what was written before and not sent; it is kept from now on. */
  judge(kind, about, stands) {
    const judgement = new Judgement({ kind, answers: this.parts(), changed: () => keepDraft(about, judgement.value) });
    const draft = draftOf(about);
    // Refused words were written beside another vote: what that one says stays where they say nothing.
    judgement.value = draft ? {...(draft.refused ? stands : {}), ...draft.body } : stands;
    this.judgement = judgement;
  }

  /** Says in the form what has to be mended before it can be sent. */
  lacks(send) {
    const { missing } = this.judgement, line = send.querySelector(".refusal");
    line.textContent = missing;
    line.hidden = !missing;
    if (missing) this.judgement.focusMissing();
    return Boolean(missing);
  }

  /** Other answers leave nothing of what was said about these. */
  regenerate() {
    const run = () => this.actions.regenerate(this.turn);
    return button(t("regenerate"), () => (written(this.judgement?.value) ? sure(t("regenerate_sure"), run) : run()),
      { class: "quiet regenerate" });
  }

  /** A single answer can be flagged, annotated and rewritten too. */
  noteForm() {
    const { turn, actions } = this;
    const fold = element("details", { class: "note-single" }, element("summary", {}, t("note_single")));
    fold.addEventListener("toggle", () => {
      if (!fold.open || this.judgement) return;
      this.judge("notes", turn.id, turn.note ? {...turn.note.details, reason: turn.note.reason } : {});
      this.judgement.more.open = true;
      const send = form(t("note_single_send"), async () => {
        if (!this.lacks(send)) await actions.note(turn, this.judgement.value);
      }, this.judgement.node);
      fold.append(send);
    });
    return element("div", {},
      element("p", { class: "row" }, this.regenerate()),
      fold, this.noteLine());
  }

  /** What became of the comment, once it was sent. */
  noteLine() {
    if (this.turn.note?.waiting) return element("p", { class: "calm note-saved" }, t("note_waiting"));
    return this.noteSaved ? element("p", { class: "done note-saved" }, t("note_saved")) : null;
  }

  afterVote() {
    const { turn, actions } = this;
    const box = element("div", { class: "after" },
      element("p", {}, element("strong", { class: "voted" }, t("voted", { vote: t(`vote_${turn.vote.outcome}`) }))));
    if (turn.vote.waiting) box.append(element("p", { class: "waiting-line" }, t("vote_waiting")));
    if (turn.vote.reason) box.append(element("p", { class: "own-reason" }, t("your_reason", { reason: apart(turn.vote.reason) })));
    box.append(...this.wordsLeft());
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

  /** What was written and did not come into the vote that stands: refused, or not sent. */
  wordsLeft() {
    const { exposure, reveal } = this.turn, left = draftOf(exposure);
    if (!left) return [];
    const drop = () => {
      dropDraft(exposure);
      this.show(this.turn);
      this.node.focus({ preventScroll: true });
    };
    const why = left.refused ? [element("p", { class: "problem refused" }, t("vote_refused", { why: problem(left.refused) }))] : [];
    if (!written(left.body)) {
      dropDraft(exposure);  // it is told once; a mark on the scale is made again with one key
      return why;
    }
    return [...why, reveal ? keptWords(left.body, drop) : element("p", { class: "calm left" }, t("words_left"))];
  }
}
