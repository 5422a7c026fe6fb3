// SPDX-License-Identifier: Apache-2.0
// For admins, and to read for auditors: people, invitations, tokens, webhooks, the audit log. One part at a time.
import { element } from "../dom.js";
import { t } from "../i18n.js";
import { attempt } from "../ui.js";
import { auditList } from "./admin_audit.js";
import { accounts, invitations } from "./admin_people.js";
import { tokens, webhooks } from "./admin_programs.js";

const parts = { accounts, invitations, tokens, webhooks, audit: auditList };

export async function open(root, [wanted]) {
  const chosen = wanted in parts ? wanted : "accounts";
  const body = element("div", { id: `admin-${chosen}` });
  root.append(element("section", { class: "page broad" }, element("h1", {}, t("nav_admin")),
    element("nav", { class: "tabs", "aria-label": t("nav_admin") }, Object.keys(parts).map((name) =>
      element("a", { href: `#/admin/${name}`, "aria-current": name === chosen ? "page" : null }, t(`admin_${name}`)))), body));
  const draw = () => attempt(async () => {
    const inside = body.contains(document.activeElement);
    body.replaceChildren(...await parts[chosen](draw));
    if (!inside) return;
    body.tabIndex = -1;  // what had the focus is gone
    body.focus({ preventScroll: true });
  });
  await draw();
}
