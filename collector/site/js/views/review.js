// SPDX-License-Identifier: Apache-2.0
// For reviewers: where people part, what is decided, how far they agree, how each of them works.
import {get, post} from "../api.js";
import {flagKinds, flagTable} from "../details.js";
import {announce, element, newId} from "../dom.js";
import {format, percent, t, when, wordOf} from "../i18n.js";
import {allAspects, Judgement} from "../judge.js";
import {setKeys} from "../keys.js";
import {render} from "../markdown.js";
import {keyOf, others, scale} from "../scale.js";
import {mayWrite} from "../session.js";
import {field, form, pages, table} from "../ui.js";

import {answerCards, promptBox, verdictText} from "./work_parts.js";

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
  const decided = await decisions(id, project);
  root.append(element("section", { class: "page broad" }, element("p", {}, element("a", { href: "#/review" }, t("back"))),
    element("h1", {}, project.name), agreementTable(agreement.groups), annotatorTable(people.annotators),
    element("h2", { id: "disagreements" }, t("disagreements")),
    items.length ? items.map((item) => disagreement(item, project)) : element("p", { class: "nothing" }, t("disagreements_none")),
    element("h2", { id: "decisions" }, t("decisions")), decided));
  useKeys(root);
}

/** What was decided, newest item first, with the form to decide anew: of an item's verdicts the last one stands. */
async function decisions(id, project) {
  const list = element("div");
  const more = await pages(list, async (before) => {
    const answer = await get(`/api/projects/${id}/items`, { decided: true, before, limit: 20 });
    return { rows: answer.items, next: answer.next };
  }, (item) => disagreement(item, project));
  return [list, list.hasChildNodes() ? null : element("p", { class: "nothing" }, t("decisions_none")), more];
}

/** The scale's keys work where the focus is: there are many scales on this page. */
const keysIn = new WeakMap();
function useKeys(root) {
  setKeys([...scale, ...others].map((outcome) => ({
    key: keyOf[outcome],
    text: t(`vote_${outcome}`),
    run: ({ target }) => {
      const box = target.closest?.(".disagreement:not(:has(.change:not([open])))");
      const one = keysIn.get(box)?.find(({ key }) => key === keyOf[outcome]);
      one?.run();
      return Boolean(one);
    },
  })), root);
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

/** Of rewrites one is chosen. name: of the radio buttons; "" where they are only shown. */
function rewriteChoice(submissions, name) {
  const boxes = [];
  const choice = ({ id, annotator, rewrite, reason }) => {
    const body = element("div", { class: "body", id: newId("rewrite") });
    render(rewrite ?? "", body);
    const box = name ? element("input", { type: "radio", name, value: id, "aria-describedby": body.id }) : null;
    if (box) boxes.push(box);
    return element("div", { class: "choice" },
      box ? element("label", { class: "check" }, box, element("b", {}, annotator)) : element("p", {}, element("b", {}, annotator)),
      body, reason ? element("p", { class: "muted small" }, `${t("reason")}: ${reason}`) : null);
  };
  const chosen = () => boxes.find((box) => box.checked)?.value;
  return {
    node: element("fieldset", { class: "part" }, element("legend", {}, t(name ? "choose_rewrite" : "what_people_said")),
      element("div", { class: "sides" }, submissions.map(choice))),
    get missing() { return chosen() ? "" : t("choose_rewrite_first"); },
    get body() { return { submission: chosen() }; },
  };
}

/** The annotators' own marks; none of them is a decision too, on a second press. */
function flagDecision(answers) {
  let confirmed = false;
  const flags = flagTable(answers, () => { confirmed = false; }, { notes: false });
  return {
    node: flags.node,
    get missing() {
      if (flags.value.length || confirmed) return "";
      confirmed = true;
      return t("flags_none_again");
    },
    get body() { return { flags: flags.value }; },
  };
}

/** What the reviewer decides by: node, missing (in words, or ""), body for the API. Null where nothing can be decided. */
function decision(item, project, answers) {
  if (item.kind === "rewrite") return item.submissions?.length ? rewriteChoice(item.submissions, newId("choice")) : null;
  if (item.kind === "flagging") return flagDecision(answers);
  const judgement = new Judgement({ kind: item.kind, answers, aspects: project.aspects ?? [], legend: t("adjudicate") });
  const part = judgement.verdict ?? judgement.aspects;
  return part && {
    node: part.node,
    keys: judgement.verdict?.keys ?? [],
    choose: (said) => {
      if (judgement.verdict) part.value = said.outcome ?? said.tiers;
      else part.value = said.ratings;
    },
    get missing() { return judgement.missing; },
    get body() {
      const { outcome, tiers, aspects } = judgement.value;
      if (outcome !== undefined) return { outcome };
      return tiers ? { tiers } : { ratings: aspects };
    },
  };
}

/** A decision that stands, in words. */
function standing(item) {
  const { submission, ratings, note, created_at: at, ...said } = item.adjudication;
  const chosen = item.submissions?.find(({ id }) => id === submission);
  const words = submission ? `${t("rewritten")} · ${chosen?.annotator ?? "—"}` :
                             verdictText({...said, aspects: ratings }, item.answers.length > 1);
  return element("p", { class: "done", tabindex: "-1" }, element("b", {}, words), ` · ${when(at)}`,
    note ? element("span", { class: "small" }, ` · ${note}`) : null);
}

function disagreement(item, project) {
  const cards = answerCards(item.answers);
  const said = item.submissions ?? [];
  const decide = mayWrite() ? decision(item, project, cards.parts) : null;
  const box = element("article", { class: "disagreement", tabindex: "-1" }, promptBox(item.prompt), cards.node);
  if (item.kind !== "rewrite")
    box.append(table(t("what_people_said"), [t("name"), t("verdict"), t("reason")],
      said.map((one) => [one.annotator, verdictText(one, item.answers.length > 1), one.reason])));
  else if (!decide) box.append(rewriteChoice(said, "").node);
  if (item.adjudication) box.append(standing(item));
  if (!decide) return box;
  if (item.adjudication) decide.choose?.(item.adjudication);
  keysIn.set(box, decide.keys ?? []);
  const send = decideForm(item, decide);
  box.append(item.adjudication ?
      element("details", { class: "change" }, element("summary", {}, t("decision_change")), send) :
      send);
  return box;
}

function decideForm(item, decide) {
  const note = element("textarea", { rows: "2", maxlength: "1000" });
  const problem = element("p", { class: "problem refusal", role: "alert", hidden: true });
  const send = form(t("adjudicate_send"), async () => {
    problem.textContent = decide.missing;
    problem.hidden = !problem.textContent;
    if (problem.textContent) return;
    await post(`/api/items/${item.id}/adjudicate`, {
      ...decide.body,
      ...(note.value.trim() ? { note: note.value.trim() } : {})
    });
    announce(t("adjudicated"));
    const done = element("p", { class: "done", tabindex: "-1" }, t("adjudicated"));
    const fold = send.closest("details");
    fold?.previousElementSibling.remove();  // what it says stands no more
    (fold ?? send).replaceWith(done);
    done.focus();
  }, decide.node, field(t("adjudicate_note"), note), problem);
  send.addEventListener("change", () => { problem.hidden = true; });
  return send;
}
