// SPDX-License-Identifier: Apache-2.0
// For everybody: the leaderboard as it stands, and how much was collected. Drawn as bars, told as figures too. Reviewers
// keep it for ever by publishing it.
import {get, post, query} from "../api.js";
import {announce, element} from "../dom.js";
import {names, shownLocale, t} from "../i18n.js";
import {allAspects} from "../judge.js";
import {go} from "../router.js";
import {is, mayWrite, reviewers} from "../session.js";
import {attempt, button, field, select, sure} from "../ui.js";

import {boardTabs, leaderboard, methods, sources} from "./board_parts.js";
import {columns} from "./charts.js";

export async function open(root, [part, id]) {
  if (part === "published") return (await import("./published.js")).open(root, id);
  const board = element("div", { id: "leaderboard" }), numbers = element("div", { id: "statistics" });
  const locale = select([["", t("all_languages")], ...Object.entries(names)]);
  const aspect = select([["", t("whole_answer")], ...allAspects.map((name) => [name, t(`aspect_${name}`)])]);
  const country = select([["", t("all_countries")]]);
  const model = select(Object.entries(methods));
  const source = select(["", "api", "demo", "import"].map((word) => [word, t(sources[word])]));
  const wanted = () => ({ locale: locale.value, country: country.value, aspect: aspect.value, model: model.value,
    source: source.value });
  const publish = button(t("publish"), () => sure(t("publish_sure"), async () => {
    const made = await post(`/api/leaderboards${query(wanted())}`);
    announce(t("published_done"));
    if (root.isConnected) go("boards", "published", made.id);
  }), { id: "publish" });
  const load = () => attempt(async () => {
    const answer = await get("/api/leaderboard", wanted());
    publish.hidden = !answer.models?.length || !is(...reviewers) || !mayWrite();
    board.replaceChildren(...leaderboard(answer));
  });
  const changed = async () => { if (await load()) announce(t("boards_changed")); };
  for (const box of [locale, country, aspect, model, source]) box.addEventListener("change", changed);
  root.append(element("section", { class: "page broad" }, element("h1", {}, t("nav_boards")), boardTabs(""),
    element("p", { class: "muted" }, t("boards_text")),
    element("div", { class: "filters" }, field(t("language"), locale), field(t("country"), country), field(t("aspect"), aspect),
      field(t("model_of_ranks"), model), field(t("whose_votes"), source)),
    board, publish, element("h2", {}, t("statistics")), numbers));
  await load();
  await attempt(async () => {
    const counts = await get("/api/statistics");
    // Only countries with enough people to be shown can be asked for.
    const region = new Intl.DisplayNames([shownLocale()], { type: "region" });
    country.append(...counts.countries.map((row) => element("option", { value: row.country }, region.of(row.country))));
    numbers.replaceChildren(...statistics(counts));
  });
}

function statistics(answer) {
  const lists = [["days", t("by_day")], ["locales", t("by_language")], ["countries", t("by_country")]].map(
    ([name, title]) => [answer[name], title]);
  const region = new Intl.DisplayNames([shownLocale()], { type: "region" });
  const day = new Intl.DateTimeFormat(shownLocale(), { day: "numeric", month: "short", timeZone: "UTC" });
  const label = (row) => (row.day ? day.format(new Date(row.day)) :
    row.country                   ? region.of(row.country) :
    row.locale                    ? names[row.locale] ?? row.locale :
                                    "—");
  const parts = lists.filter(([rows]) => rows.length).map(([rows,
    title]) => element("div", { class: "block" }, columns(title, rows.map((row) => ({ name: label(row), value: row.votes })))));
  return parts.length ?
    [element("div", { class: "charts" }, parts), element("p", { class: "muted small" }, t("statistics_help"))] :
    [element("p", { class: "nothing" }, t("statistics_none"))];
}
