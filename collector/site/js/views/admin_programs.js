// SPDX-License-Identifier: Apache-2.0
// What programs use: API tokens with scopes, and webhooks.
import {get, post} from "../api.js";
import {announce, element} from "../dom.js";
import {t, when, wordOf} from "../i18n.js";
import {mayWrite} from "../session.js";
import {attempt, button, check, field, form, secret, sure, table} from "../ui.js";

const scopes = ["chat", "judge", "tasks", "review", "read", "data", "admin", "proxy"];

export async function tokens(again) {
  const { tokens: list } = await get("/api/tokens");
  const rows = list.map((one) => [one.name, (one.scopes ?? []).join(", "), when(one.expires_at), when(one.last_used_at),
                          one.revoked || Date.parse(one.expires_at) < Date.now() ? t("over") :
                            mayWrite()                                           ? button(t("revoke"),
                                                                                     () => sure(t("revoke_sure", { name: one.name }),
                                                                                       async () => {
                                                                                         await post(`/api/tokens/${one.id}/revoke`);
                                                                                         await again();
                                                                                       })) :
                                                                                   t("valid")]);
  const name = element("input", { type: "text", required: true, maxlength: "100" });
  const days = element("input", { type: "number", min: "1", max: "365", value: "90" });
  const boxes = scopes.map((scope) => ({ scope, label: check(t(`scope_${scope}`), { value: scope }) }));
  const shown = element("div", { id: "new-token" });
  const make = form(t("token_make"),
    async () => {
      const chosen = boxes.filter(({ label }) => label.querySelector("input").checked).map(({ scope }) => scope);
      shown.replaceChildren(secret(t("token_once"),
        (await post("/api/tokens", { name: name.value.trim(), scopes: chosen, days: Number(days.value) })).token));
    },
    element("div", { class: "filters" }, field(t("name"), name), field(t("days"), days)),
    element(
      "fieldset", {}, element("legend", {}, t("scopes")), element("div", { class: "columns" }, boxes.map(({ label }) => label))));
  return [
    ...(mayWrite() ? [make, shown] : []),
    table(t("admin_tokens"), [t("name"), t("scopes"), t("until"), t("last_used"), t("state")], rows)
  ];
}

const eventTypes = [
  "conversation.created", "answer.created", "preference.created", "preference.retracted", "answer_note.created", "task.submitted",
  "project.finished", "visitor.withdrawn", "import.finished"
];

export async function webhooks(again) {
  const answer = await get("/api/webhooks");
  const deliveries = element("div");
  const show = (id) => attempt(async () => {
    const list = (await get(`/api/webhooks/${id}/deliveries`)).deliveries;
    deliveries.replaceChildren(table(t("deliveries"), [t("type"), t("when"), t("attempts"), t("state")],
      list.map((one) => [one.type, when(one.created_at), one.tries,
                 [wordOf("delivery_", one.state), one.last_error].filter(Boolean).join(": ")])));
  });
  const act = (id, verb) => attempt(async () => {
    await post(`/api/webhooks/${id}/${verb}`);
    announce(t("done"));
    if (verb === "disable")
      await again();
    else
      await show(id);
  });
  const rows = answer.webhooks.map(
    (one) => [one.url, (one.types ?? []).join(", "), t(one.state),
      element("div", { class: "row" }, button(t("deliveries"), () => show(one.id)),
        ...(mayWrite() ? [button(t("test"), () => act(one.id, "test")), button(t("disable"), () => act(one.id, "disable"))] :
                         []))]);
  const url = element("input", { type: "url", required: true, maxlength: "500", placeholder: "https:" });
  const boxes = eventTypes.map((type) => ({ type, label: check(wordOf("event_", type), { value: type, checked: true }) }));
  const shown = element("div", { id: "new-webhook" });
  const make = form(t("webhook_make"),
    async () => {
      const chosen = boxes.filter(({ label }) => label.querySelector("input").checked).map(({ type }) => type);
      shown.replaceChildren(
        secret(t("webhook_once"), (await post("/api/webhooks", { url: url.value.trim(), types: chosen })).secret));
    },
    field("URL", url, t("webhook_help")),
    element("fieldset", {}, element("legend", {}, t("event_types")),
      element("div", { class: "columns" }, boxes.map(({ label }) => label))));
  return [
    ...(mayWrite() ? [make, shown] : []), table(t("admin_webhooks"), ["URL", t("event_types"), t("state"), t("action")], rows),
    deliveries
  ];
}
