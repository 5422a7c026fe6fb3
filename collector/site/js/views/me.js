// SPDX-License-Identifier: Apache-2.0
// What is one's own: how the work goes, what one told about oneself, sessions, consent, data, withdrawal.
import {get, post} from "../api.js";
import {announce, element} from "../dom.js";
import {format, percent, t, when} from "../i18n.js";
import {forget} from "../outbox.js";
import {is, loadMe, me, members, takeMe} from "../session.js";
import {attempt, button, field, form, sure, table} from "../ui.js";
import {withdrawnList} from "../withdrawn.js";

import {consentForm} from "./consent.js";
import {passwordBox} from "./login.js";
import {profileForm} from "./profile.js";
import {interval} from "./review.js";

export async function open(root) {
  const page = element("section", { class: "page", id: "view-me" },
    element("div", { class: "work-head" }, element("h1", {}, me.account?.name ?? t("nav_me")), leaveButton()),
    me.account ? element("p", { class: "muted" }, `${t(`role_${me.who}`)} · ${me.workspace?.name ?? ""}`) :
                 element("p", { class: "muted" }, t("me_visitor")));
  root.append(page);
  if (is(...members)) await attempt(async () => page.append(await dashboard(await get("/api/me/dashboard"))));
  if (!is("anyone", "auditor")) await attempt(async () => page.append(await profileForm()));
  if (me.account) {
    await attempt(async () => page.append(await sessions()));
    page.append(passwordForm());
  }
  if (!is("anyone", "auditor")) await attempt(async () => page.append(await consentBlock()));
  page.append(rights());
}

const seconds = (ms) => (ms === null || ms === undefined ? "—" : t("seconds", { seconds: format(ms / 1000, 1) }));
const share = (value) => (value === null || value === undefined ? "—" : percent(value));

/** Votes over everything, then a line for each project one has worked in. */
async function dashboard({ votes, projects }) {
  const figure = (label, value) => element("div", { class: "figure" }, element("dt", {}, label), element("dd", {}, value));
  const known = projects.length ? (await get("/api/projects")).projects : [];
  const name = (id) => known.find((one) => one.id === id)?.name ?? "—";
  return element("section", { class: "block", "aria-labelledby": "dashboard-title" },
    element("h2", { id: "dashboard-title" }, t("dashboard")),
    element("dl", { class: "figures" }, figure(t("votes_count"), format(votes.count)),
      figure(t("votes_today"), format(votes.today)), figure(t("median_time"), seconds(votes.median_ms)),
      figure(t("left_share"), share(votes.left_share))),
    projects.length ?
      table(t("nav_tasks"),
        [t("project"), t("submitted_count"), t("median_time"), t("alpha_with_others"), t("left_share"), t("gold")],
        projects.map((one) => [name(one.project), one.submitted, seconds(one.median_ms), interval(one.alpha_with_others),
                       share(one.left_share), `${one.gold.passed}/${one.gold.seen}`])) :
      null,
    element("p", { class: "muted small" }, t("dashboard_help")));
}

async function sessions() {
  const { sessions: list } = await get("/api/sessions");
  const box = element("section", { class: "block" });
  const rows = list.map((one) => [one.current ? t("this_session") : when(one.created_at), when(one.last_used_at),
                          one.current ? "" : button(t("end"), () => attempt(async () => {
                            await post(`/api/sessions/${one.id}/end`);
                            box.replaceWith(await sessions());
                          }))]);
  box.append(table(t("sessions"), [t("since"), t("last_seen"), t("action")], rows));
  return box;
}

function passwordForm() {
  const old = passwordBox(false), fresh = passwordBox(true);
  return element("details", { class: "block" }, element("summary", {}, t("password_change")), form(t("save"), async (node) => {
    takeMe(await post("/api/password", { old: old.value, new: fresh.value }));  // the session is a new one
    node.reset();
    announce(t("password_changed"));
    node.after(element("p", { class: "done" }, t("password_changed")));
  }, field(t("password_old"), old), field(t("password_new"), fresh, t("password_help"))));
}

async function consentBlock() {
  const consent = await consentForm({ adult: false, chosen: me.purposes });
  return element("details", { class: "block", id: "consent-change" }, element("summary", {}, t("consent_change")),
    form(t("save"), async (node) => {
      const body = consent.body();
      if (!body) return;
      me.purposes = (await post("/api/consent", body)).purposes ?? body.purposes;
      announce(t("consent_changed"));
      node.append(element("p", { class: "done" }, t("consent_changed")));
    }, consent.node));
}

function leaveButton() {
  if (is("anyone")) return null;
  return button(t(me.account ? "logout" : "leave"), () => sure(t(me.account ? "logout_sure" : "leave_sure"), async () => {
    await post(me.account ? "/api/logout" : "/api/session/end");
    await forget();
    location.assign("/");
  }), { id: "leave" });
}

function rights() {
  const section = element("section", { class: "block", id: "rights" });
  const withdraw = me.account ? button(t("withdraw_button"), () => sure(t("withdraw_sure_account"), async () => {
    const done = await post("/api/withdraw", {});
    await forget();
    await loadMe().catch(() => {});  // signed in still, and without a consent
    section.replaceChildren(
      element("p", { class: "done", role: "status" }, t("withdraw_done_text", done)), withdrawnList(done));
  }), { class: "danger" }) : element("a", { href: "/withdraw" }, t("withdraw_link"));
  const own = is("anyone", "auditor") ? [] : [element("p", {}, element("a", { href: "/api/export", download: "afina.json" }, t("export_link")))];
  const sign = is("anyone") ? [element("p", {}, element("a", { href: "#/login" }, t("login_link")))] : [];
  section.append(element("h2", {}, t("rights")), ...own, element("p", {}, withdraw), ...sign);
  return section;
}
