// SPDX-License-Identifier: Apache-2.0
// Leaderboards as reviewers published them: the list, and one at an address that can be cited. What was published never
// changes, so that a paper or a newspaper may refer to it.
import {get} from "../api.js";
import {element} from "../dom.js";
import {format, t, when} from "../i18n.js";
import {pages} from "../ui.js";

import {boardTabs, leaderboard, methodName, scopeOf} from "./board_parts.js";

export const open = (root, id) => (id ? one(root, id) : list(root));

const address = ({ id }) => `#/boards/published/${encodeURIComponent(id)}`;

function row(board) {
  const [first] = board.models ?? [];
  return element("tr", {}, element("th", { scope: "row" }, element("a", { href: address(board) }, when(board.published_at))),
    element("td", { class: "words" }, scopeOf(board.filter)), element("td", {}, methodName(board.model)),
    element("td", { class: "number" }, format(board.votes)), element("td", { class: "number" }, format(board.annotators)),
    element("td", {}, first?.name ?? "—"));
}

async function list(root) {
  const body = element("tbody");
  const more = await pages(body, async (before) => {
    const answer = await get("/api/leaderboards", { before, limit: 50 });
    return { rows: answer.leaderboards, next: answer.next };
  }, row);
  const heads = [t("when"), t("what"), t("model_of_ranks"), t("votes_count"), t("people_count"), t("boards_first")];
  root.append(element("section", { class: "page broad", id: "published" }, element("h1", {}, t("nav_boards")), boardTabs("published"),
    element("p", { class: "muted" }, t("published_text")),
    body.hasChildNodes() ?
      element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": t("boards_published") },
        element("table", {}, element("caption", {}, t("boards_published")),
          element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))), body)) :
      element("p", { class: "nothing" }, t("published_none")),
    more));
}

async function one(root, id) {
  const board = await get(`/api/leaderboards/${encodeURIComponent(id)}`);
  root.append(element("section", { class: "page broad", id: "published-board" },
    element("p", {}, element("a", { href: "#/boards/published" }, t("published_back"))),
    element("h1", {}, t("published_title", { date: when(board.published_at) })),
    element("p", { class: "muted" }, `${scopeOf(board.filter)} · ${methodName(board.model)}`), leaderboard(board),
    element("p", { class: "muted small" }, t("published_id"), " ", element("span", { class: "id" }, board.id))));
}
