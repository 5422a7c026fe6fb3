// SPDX-License-Identifier: Apache-2.0
// For everybody: the leaderboard with its intervals, and how much was collected. Drawn as bars, told as figures too.
import {get} from "../api.js";
import {element} from "../dom.js";
import {format, names, shownLocale, t} from "../i18n.js";
import {allAspects} from "../judge.js";
import {attempt, field, select, table} from "../ui.js";

import {columns, intervals} from "./charts.js";

export async function open(root) {
  const board = element("div", { id: "leaderboard", "aria-live": "off" }), numbers = element("div", { id: "statistics" });
  const locale = select([["", t("all_languages")], ...Object.entries(names)]);
  const aspect = select([["", t("whole_answer")], ...allAspects.map((name) => [name, t(`aspect_${name}`)])]);
  const country = select([["", t("all_countries")]]);
  const model = select([["bradley_terry", "Bradley–Terry"], ["davidson", "Davidson"]]);
  const load = () => attempt(async () => board.replaceChildren(...leaderboard(await get("/api/leaderboard",
                               { locale: locale.value, country: country.value, aspect: aspect.value, model: model.value }))));
  for (const box of [locale, country, aspect, model]) box.addEventListener("change", load);
  root.append(element("section", { class: "page broad" }, element("h1", {}, t("nav_boards")),
    element("p", { class: "muted" }, t("boards_text")),
    element("div", { class: "filters" }, field(t("language"), locale), field(t("country"), country), field(t("aspect"), aspect),
      field(t("model_of_ranks"), model)),
    board, element("h2", {}, t("statistics")), numbers));
  await load();
  await attempt(async () => {
    const counts = await get("/api/statistics");
    // Only countries with enough people to be shown can be asked for.
    const region = new Intl.DisplayNames([shownLocale()], { type: "region" });
    country.append(...counts.countries.map((row) => element("option", { value: row.country }, region.of(row.country))));
    numbers.replaceChildren(...statistics(counts));
  });
}

function leaderboard(answer) {
  const { models = [], position, votes = 0, annotators = 0, suppressed = 0 } = answer;
  if (!models.length) return [element("p", { class: "nothing" }, t("boards_none"))];
  const lines = [t("boards_from", { votes: format(votes), annotators: format(annotators) })];
  if (position && position.log_odds !== null && position.log_odds !== undefined)
    lines.push(t(
      "boards_position", { value: format(position.log_odds), low: format(position.low ?? 0), high: format(position.high ?? 0) }));
  if (suppressed) lines.push(t("boards_suppressed", { count: suppressed }));
  return [
    intervals(t("leaderboard"), models.map(({ name, rating, low, high }) => ({ name, value: rating, low, high }))),
    table(t("leaderboard"), [t("model"), t("rank"), t("rating"), t("interval"), t("battles"), t("wins"), t("ties")],
      models.map((one) => [one.name, one.rank, format(one.rating, 1), `${format(one.low, 1)} – ${format(one.high, 1)}`,
                   one.battles, one.wins, one.ties])),
    element("p", { class: "muted small" }, lines.join(" "))
  ];
}

function statistics(answer) {
  const lists = [["days", t("by_day")], ["locales", t("by_language")], ["countries", t("by_country")]].map(
    ([name, title]) => [answer[name], title]);
  const region = new Intl.DisplayNames([shownLocale()], { type: "region" });
  const label = (row) => String(row.day ??
    (row.country   ? region.of(row.country) :
        row.locale ? names[row.locale] ?? row.locale :
                     "—"));
  const parts = lists.filter(([rows]) => rows.length).map(([rows,
    title]) => element("div", { class: "block" }, columns(title, rows.map((row) => ({ name: label(row), value: row.votes })))));
  return parts.length ?
    [element("div", { class: "charts" }, parts), element("p", { class: "muted small" }, t("statistics_help"))] :
    [element("p", { class: "nothing" }, t("boards_none"))];
}
