// SPDX-License-Identifier: Apache-2.0
// One leaderboard drawn: intervals as bars, every figure in a table, and in words what it was made of. The live one and
// those published share it.
import {element} from "../dom.js";
import {format, names, percent, shownLocale, t} from "../i18n.js";
import {table} from "../ui.js";

import {intervals} from "./charts.js";

/** Each by the names of those who wrote it down, the same in every language. */
export const methods = { bradley_terry: "Bradley–Terry", davidson: "Davidson", rao_kupper: "Rao–Kupper" };
export const methodName = (model) => methods[model] ?? String(model ?? "—");

const region = (code) => new Intl.DisplayNames([shownLocale()], { type: "region" }).of(code);

/** Whose votes a board may count, by the word of the API. */
export const sources = { "": "votes_of_people", web: "votes_of_people", api: "votes_of_programs", demo: "votes_of_demos",
  import: "votes_of_files" };

/** What a board counts, in words: its language, country, aspect and whose votes. */
export const scopeOf = ({ locale = "", country = "", aspect = "", source = "" } = {}) => [
  locale ? names[locale] ?? locale : t("all_languages"),
  country ? region(country) : t("all_countries"),
  aspect ? t(`aspect_${aspect}`) : t("whole_answer"),
  ...(source ? [t(sources[source])] : [])
].join(" · ");

/** An interval stays on one line. */
const span = (low, high, draw) => `${draw(low)}\u00a0–\u00a0${draw(high)}`;
const oneDigit = (value) => format(value, 1);
const whole = (share) => percent(share, 0);
const chance = (logOdds) => whole(1 / (1 + Math.exp(-logOdds)));

/** answer: of GET /api/leaderboard or one that was published. Nothing to show is said with what to do about it. */
export function leaderboard(answer) {
  const { models = [], position, layouts = [], votes = 0, annotators = 0, suppressed = 0, connected = true } = answer;
  if (!models.length) {
    return [element("p", { class: "nothing" }, t("boards_none"), " ", element("a", { href: "#/chat" }, t("boards_join"))),
      suppressed ? element("p", { class: "muted small" }, t("boards_suppressed", { count: suppressed })) : ""];
  }
  const lines = [t("boards_from", { votes: format(votes), annotators: format(annotators) })];
  if (position && position.log_odds !== null && position.log_odds !== undefined) {
    lines.push(t("boards_position",
      { value: chance(position.log_odds), low: chance(position.low), high: chance(position.high) }));
  }
  for (const { layout, first_share, low, high } of layouts) {
    const share = { value: whole(first_share), low: whole(low), high: whole(high) };
    lines.push(layout === "stacked" ? t("boards_first_stacked", share) : t("boards_first_beside", share));
  }
  if (suppressed) lines.push(t("boards_suppressed", { count: suppressed }));
  const accepted = ({ acceptable: one }) => (one ? `${whole(one.share)}\u00a0(${span(one.low, one.high, whole)})` : "—");
  return [
    connected ? "" : element("p", { class: "calm" }, t("boards_unconnected")),
    intervals(t("leaderboard"), models.map(({ name, rating, low, high }) => ({ name, value: rating, low, high }))),
    table(t("leaderboard"), [t("model"), t("rank"), t("rating"), t("interval"), t("battles"), t("wins"), t("ties"), t("acceptable")],
      models.map((one) => [one.name, one.rank, oneDigit(one.rating), span(one.low, one.high, oneDigit), one.battles, one.wins,
                   one.ties, accepted(one)])),
    element("p", { class: "muted small" }, lines.join(" ")),
    element("details", { class: "block" }, element("summary", {}, t("boards_how")),
      ["rating", "method", "acceptable"].map((part) => element("p", { class: "small" }, t(`boards_how_${part}`))))
  ];
}

/** The two ways into the boards: as they stand now, and as they were published. */
export const boardTabs = (here) => element("nav", { class: "tabs", "aria-label": t("nav_boards") },
  [["", t("boards_live")], ["published", t("boards_published")]].map(
    ([part, name]) => element("a", { href: `#/boards${part && `/${part}`}`, "aria-current": part === here ? "page" : null }, name)));
