// SPDX-License-Identifier: Apache-2.0
// Accounts of the workspace, and invitations: links that are shown once.
import {get, post, serverNow} from "../api.js";
import {element} from "../dom.js";
import {t, when} from "../i18n.js";
import {mayWrite, me} from "../session.js";
import {attempt, button, field, form, living, secret, select, sure, table} from "../ui.js";

const roles = ["annotator", "reviewer", "engineer", "admin", "auditor"];

export async function accounts(again) {
  const { accounts: list } = await get("/api/accounts");
  const change = (id, body) => attempt(async () => {
    await post(`/api/accounts/${id}`, body);
    await again();
  });
  // On a closed list the arrow keys choose at once: nothing happens before the person says so.
  const changeRole = (one, box) => sure(t("role_sure", { name: one.name, role: t(`role_${box.value}`) }),
    () => change(one.id, { role: box.value }), () => {
      box.value = one.role;
      box.focus();
    });
  const role = (one) => (mayWrite() && one.id !== me.account?.id ?
      select(roles.map((name) => [name, t(`role_${name}`)]), one.role,
        { "aria-label": `${t("role")}: ${one.name}`, onchange: ({ target }) => changeRole(one, target) }) :
      t(`role_${one.role}`));
  const state = (one) => {
    const disabled = one.status === "disabled";
    if (!mayWrite() || one.id === me.account?.id) return t(disabled ? "disabled" : "active");
    return button(t(disabled ? "enable" : "disable"),
      () => (disabled ? change(one.id, { status: "active" }) :
                        sure(t("disable_sure", { name: one.name }), () => change(one.id, { status: "disabled" }))));
  };
  return [table(t("admin_accounts"), [t("name"), t("role"), t("since"), t("state")],
    list.map((one) => [one.name, role(one), when(one.since), state(one)]))];
}

async function invitationTable(again) {
  const { invitations: list } = await get("/api/invitations");
  const rows = list.map((one) => {
    const over = one.revoked || Date.parse(one.expires_at) < serverNow() || one.uses >= one.max_uses;
    const revoke = () => attempt(async () => {
      await post(`/api/invitations/${one.id}/revoke`);
      await again();
    });
    return [one.note || "—", t(`role_${one.role}`), `${one.uses ?? 0} / ${one.max_uses}`, when(one.expires_at),
      over ? t("over") : mayWrite() ? button(t("revoke"), revoke) : t("valid")];
  });
  return [table(t("admin_invitations"), [t("note"), t("role"), t("uses"), t("until"), t("state")], rows)];
}

export async function invitations() {
  const list = await living(invitationTable);
  const shown = element("div", { id: "new-invitation" });
  return [...(mayWrite() ? [invite(shown, (await get("/api/projects")).projects, list.again), shown] : []), list.node];
}

function invite(shown, projects, again) {
  const project = select([["", t("all_projects")], ...projects.map(({ id, name }) => [id, name])]);
  const role = select(roles.map((name) => [name, t(`role_${name}`)]), "annotator");
  const note = element("input", { type: "text", maxlength: "200" });
  const uses = element("input", { type: "number", min: "1", max: "1000", value: "1" });
  const hours = element("input", { type: "number", min: "1", max: "72", value: "72" });
  return form(t("invite"),
    async () => {
      const made = await post("/api/invitations", {
        role: role.value,
        max_uses: Number(uses.value),
        hours: Number(hours.value),
        ...(project.value ? { project: project.value } : {}),
        ...(note.value.trim() ? { note: note.value.trim() } : {})
      });
      shown.replaceChildren(secret(t("invitation_link"), new URL(made.link ?? `/join#${made.token}`, location.origin).href));
      await again();
    },
    element("div", { class: "filters" }, field(t("role"), role), field(t("project"), project),
      field(t("note"), note, t("invite_note_help")), field(t("uses"), uses), field(t("hours"), hours)));
}
