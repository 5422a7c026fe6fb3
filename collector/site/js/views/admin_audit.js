// SPDX-License-Identifier: Apache-2.0
// The audit log, newest first, page by page.
import {get} from "../api.js";
import {element} from "../dom.js";
import {t, when} from "../i18n.js";
import {pages} from "../ui.js";

/** Each part by its name: what stands there is of many kinds. */
const details = (detail) => element("dl", {}, Object.entries(detail ?? {}).map(([name, value]) => element("div", {},
  element("dt", {}, name), element("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)))));

const row = (event) => element("tr", {}, element("td", { class: "number" }, String(event.number)),
  element("td", {}, when(event.at)), element("th", { scope: "row" }, event.actor), element("td", {}, event.action),
  element("td", { class: "id" }, event.object ?? ""), element("td", {}, details(event.detail)));

export async function auditList() {
  const body = element("tbody");
  const more = await pages(body, async (before) => {
    const answer = await get("/api/audit", { before });
    return { rows: answer.events, next: answer.next };
  }, row);
  const heads = ["#", t("when"), t("who"), t("action"), t("object"), t("detail")];
  return [
    element("p", { class: "muted small" }, t("audit_help")),
    element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": t("admin_audit") },
      element("table", { class: "audit" }, element("caption", {}, t("admin_audit")),
        element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))), body)),
    more
  ];
}
