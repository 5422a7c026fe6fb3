// SPDX-License-Identifier: Apache-2.0
// One form for every judgement: the verdict (graded scale, ranking or none), and what may be said beside it: reason,
// ratings by aspect, flags, notes on fragments, a rewrite. The arena and the tasks share it.
import {aspectTable, flagTable, reasonFields, rewriteField} from "./details.js";
import {element, newId} from "./dom.js";
import {t} from "./i18n.js";
import {spanNotes} from "./notes.js";
import {rankingGroup} from "./ranking.js";
import {scaleGroup} from "./scale.js";
import {select} from "./ui.js";

export const allAspects = ["helpful", "truthful", "harmless", "cultural_fit", "dialect", "clarity", "follows_regulation"];

/**
 * kind: pairwise, ranking, rating, rewrite or flagging. answers: [{side, text, body}] with body the element that shows
 * the text. changed() runs after each change.
 */
export class Judgement {
  constructor({ kind, answers, aspects = allAspects, flags = true, legend = "", changed = () => {} }) {
    this.kind = kind;
    if (kind === "pairwise") this.verdict = scaleGroup(legend || t("vote_title"), changed);
    if (kind === "ranking") this.verdict = rankingGroup(legend || t("rank_title"), answers, changed);
    this.aspects = aspects.length ? aspectTable(answers, aspects, kind === "rating", changed) : null;
    this.flags = flags || kind === "flagging" ? flagTable(answers, changed) : null;
    this.notes = spanNotes(answers, changed, () => {
      if (this.more) this.more.open = true;
    });
    this.rewrite = rewriteField(answers, () => this.betterSide(), kind === "rewrite", changed);
    this.reason = reasonFields(changed);
    this.confidence = select([["", t("confidence_none")], ...[1, 2, 3, 4].map((n) => [n, t(`confidence_${n}`)])], "",
      { id: newId("confidence"), onchange: changed });
    const first = { rating: this.aspects, rewrite: this.rewrite, flagging: this.flags }[kind];
    const rest = [this.aspects, this.flags, this.notes, this.rewrite].filter((part) => part && part !== first);
    this.more = element("details", { class: "more" }, element("summary", {}, t("more_details")), rest.map((part) => part.node),
      element("div", { class: "field narrow" }, element("label", { for: this.confidence.id
      }, t("confidence")), this.confidence));
    this.node = element("div", { class: "judgement" }, (first ?? this.verdict)?.node, this.reason.node, this.more);
  }

  /** The side to start a rewrite from: the better one where that is said. */
  betterSide() {
    if (this.kind === "ranking") return this.verdict.value[0][0];
    return this.kind === "pairwise" && Number(this.verdict.value) < 0 ? "b" : null;
  }

  /** The text that is longer than the server takes, or null. */
  get tooLong() { return [this.reason, this.rewrite].find((part) => part.over) ?? null; }

  /** Puts the focus where what is missing can be mended. */
  focusMissing() {
    if (this.tooLong === this.rewrite) this.more.open = true;
    (this.tooLong ?? this.verdict)?.focus();
  }

  /** What is missing, in words, or "". */
  get missing() {
    if (this.tooLong) return t("too_long_first");
    if (this.kind === "pairwise" && this.verdict.value === null) return t("choose_first");
    if (this.kind === "ranking" && !this.verdict.touched && !this.confirmed) {
      this.confirmed = true;  // sending the order as it came takes a second press
      return t("rank_unchanged");
    }
    if (this.kind === "rewrite" && !this.rewrite.value) return t("rewrite_first");
    if (this.kind === "rating" && !this.aspects?.value.length) return t("rate_first");
    return "";
  }

  /** The body for the API; what was left empty is not in it. */
  get value() {
    const body = {};
    if (this.kind === "pairwise" && this.verdict.value !== null) body.outcome = this.verdict.value;
    if (this.kind === "ranking") body.tiers = this.verdict.value;
    const put = (name, value) => {
      if (value?.length) body[name] = value;
    };
    put("aspects", this.aspects?.value);
    put("flags", this.flags?.value);
    put("spans", this.notes.value);
    put("rewrite", this.rewrite.value);
    put("reason", this.reason.value);
    if (body.reason) put("reason_language", this.reason.language);
    if (this.confidence.value) body.confidence = Number(this.confidence.value);
    return body;
  }

  /** Takes over a draft or an earlier judgement. */
  set value(body) {
    if (this.kind === "pairwise" && body.outcome !== undefined) this.verdict.value = body.outcome;
    if (this.kind === "ranking" && body.tiers) this.verdict.value = body.tiers;
    if (this.aspects) this.aspects.value = body.aspects ?? [];
    if (this.flags) this.flags.value = body.flags ?? [];
    this.notes.value = body.spans ?? [];
    this.rewrite.value = body.rewrite ?? "";
    this.reason.value = body.reason ?? "";
    if (body.reason_language) this.reason.language = body.reason_language;
    this.confidence.value = String(body.confidence ?? "");
    this.more.open = ["aspects", "flags", "spans", "rewrite"].some((name) => body[name]?.length);
  }

  keys() {
    const unfold = (focus) => () => {
      this.more.open = true;
      focus();
    };
    return [
      ...(this.verdict?.keys ?? []),
      ...(this.flags ?
          [
            { key: "g", text: t("key_flag_a"), run: unfold(() => this.flags.focus(0)) },
            { key: "h", text: t("key_flag_b"), run: unfold(() => this.flags.focus(1)) }
          ] :
          []),
      { key: "r", text: t("key_rewrite"), run: unfold(() => this.rewrite.focus()) },
      { key: "e", text: t("key_reason"), run: () => this.reason.focus() },
    ];
  }

  close() { this.notes.close(); }
}
