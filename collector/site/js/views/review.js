// SPDX-License-Identifier: Apache-2.0
// For reviewers: where people part, what is decided, how far they agree, how each of them works.
import {get, post} from "../api.js";
import {flagKinds} from "../details.js";
import {announce, element} from "../dom.js";
import {format, percent, t, wordOf} from "../i18n.js";
import {allAspects, Judgement} from "../judge.js";
import {mayWrite} from "../session.js";
import {field, form, table} from "../ui.js";

import {answerCards, promptBox} from "./work_parts.js";

export async function open(root, [project]) {
  if (project) return openProject(root, project);
  const { projects } = await get("/api/projects");
  root.append(
    element("section", { class: "page" }, element("h1", {}, t("nav_review")), element("p", { class: "muted" }, t("review_text")),
      projects.length ? element("ul", { class: "cards" },
                          projects.map(({ id, name, kind }) => element("li", { class: "card" },
                                         element("h2", {}, element("a", { href: `#/review/${encodeURIComponent(id)}` }, name)),
                                         element("p", { class: "muted small" }, t(`kind_${kind}`))))) :
                        element("p", { class: "nothing" }, t("tasks_none"))));
}

async function openProject(root, id) {
  const [project, parted, agreement, people] = await Promise.all([
    get(`/api/projects/${id}`), get(`/api/projects/${id}/disagreements`), get(`/api/projects/${id}/agreement`),
    get(`/api/projects/${id}/annotators`)
  ]);
  const items = parted.disagreements;
  root.append(element("section", { class: "page broad" }, element("p", {}, element("a", { href: "#/review" }, t("back"))),
    element("h1", {}, project.name), agreementTable(agreement.groups), annotatorTable(people.annotators),
    element("h2", { id: "disagreements" }, t("disagreements")),
    items.length ? items.map((item) => disagreement(item, project)) : element("p", { class: "nothing" }, t("disagreements_none"))));
}

/** A coefficient with its interval as text. */
export function interval(value) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "number") return format(value, 2);
  const middle = value.value ?? value.mean;
  if (middle === null || middle === undefined) return "—";
  return value.low === undefined || value.low === null ?
    format(middle, 2) :
    `${format(middle, 2)}\u00a0(${format(value.low, 2)}\u00a0–\u2060\u00a0${format(value.high, 2)})`;
}

/** A group's name: the verdict, an aspect, or a kind of flag. */
function groupName(aspect) {
  if (!aspect) return t("verdict");
  if (allAspects.includes(aspect)) return t(`aspect_${aspect}`);
  return flagKinds.includes(aspect) ? t(`flag_${aspect}`) : wordOf("group_", aspect);
}

function agreementTable(rows) {
  return element("div", { class: "block" },
    table(t("agreement"),
      [
        t("what"), t("people_count"), t("units"), t("alpha_nominal"), t("alpha_ordinal"), t("alpha_interval"), "Cohen κ",
        "Fleiss κ"
      ],
      rows.map((row) => [[groupName(row.aspect), row.locale].filter(Boolean).join(" · "), row.annotators, row.units,
                 interval(row.nominal), interval(row.ordinal), interval(row.interval), interval(row.cohen?.none),
                 interval(row.fleiss)])),
    element("p", { class: "muted small" }, t("agreement_help")));
}

function annotatorTable(people) {
  return element("div", { class: "block" },
    table(t("annotators"),
      [
        t("name"), t("submitted_count"), t("alpha_with_others"), t("reliability"), t("left_share"), t("median_time"), t("gold"),
        t("warnings")
      ],
      people.map(
        (one) => [one.name, one.submitted, interval(one.alpha_with_others), interval(one.reliability),
          one.left_share === null || one.left_share === undefined ? "—" : percent(one.left_share),
          one.median_ms === null || one.median_ms === undefined ? "—" :
                                                                  t("seconds", { seconds: format(one.median_ms / 1000, 1) }),
          one.gold ? `${one.gold.passed}/${one.gold.seen}` : "—",
          (one.warnings ?? []).map((word) => wordOf("warning_", word)).join(", ") || "—"])));
}

/** What one person submitted, in words. */
export function verdictText(body) {
  if (body.outcome !== undefined && body.outcome !== null) return wordOf("vote_", String(body.outcome));
  if (body.tiers) return body.tiers.map((tier) => tier.map((side) => side.toUpperCase()).join(" = ")).join(" > ");
  if (body.aspects?.length)
    return body.aspects
      .map(({ side, aspect, value }) => `${side === "only" ? "" : `${side.toUpperCase()} `}${wordOf("aspect_", aspect)} ${value}`)
      .join(", ");
  if (body.flags?.length) return body.flags.map(({ kind }) => wordOf("flag_", kind)).join(", ");
  return body.rewrite ? t("rewritten") : "—";
}

function disagreement(item, project) {
  const cards = answerCards(item.answers);
  const box = element("article", { class: "disagreement" }, promptBox(item.prompt), cards.node,
    table(t("what_people_said"), [t("name"), t("verdict"), t("reason")],
      (item.submissions ?? []).map((one) => [one.annotator, verdictText(one), one.reason])));
  if (!mayWrite()) return box;
  const judgement =
    new Judgement({ kind: item.kind, answers: cards.parts, aspects: project.aspects ?? [], legend: t("adjudicate") });
  const note = element("textarea", { rows: "2", maxlength: "1000" });
  const verdict = judgement.verdict?.node ?? judgement.aspects?.node;
  if (!verdict) return box;
  const send = form(t("adjudicate_send"), async () => {
    const { outcome, tiers, aspects } = judgement.value;
    await post(`/api/items/${item.id}/adjudicate`, {
      ...(outcome === undefined ? {} : { outcome }),
      ...(tiers ? { tiers } : {}),
      ...(aspects ? { ratings: aspects } : {}),
      ...(note.value.trim() ? { note: note.value.trim() } : {})
    });
    announce(t("adjudicated"));
    send.replaceWith(element("p", { class: "done" }, t("adjudicated")));
  }, verdict, field(t("adjudicate_note"), note));
  box.append(send);
  return box;
}
