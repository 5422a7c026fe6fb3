// SPDX-License-Identifier: Apache-2.0
// What programs use: API tokens with scopes, and webhooks.
import {get, post, serverNow} from "../api.js";
import {announce, element} from "../dom.js";
import {t, when, wordOf} from "../i18n.js";
import {mayWrite} from "../session.js";
import {attempt, button, check, field, form, living, secret, sure, table, ticked} from "../ui.js";

const scopes = ["chat", "judge", "tasks", "review", "read", "data", "admin", "proxy"];

async function tokenTable(again) {
  const { tokens: list } = await get("/api/tokens");
  const revoke = (one) => button(t("revoke"), () => sure(t("revoke_sure", { name: one.name }), async () => {
    await post(`/api/tokens/${one.id}/revoke`);
    await again();
  }));
  const state = (one) => {
    if (one.revoked || Date.parse(one.expires_at) < serverNow()) return t("over");
    return mayWrite() ? revoke(one) : t("valid");
  };
  const words = (one) => (one.scopes ?? []).map((scope) => wordOf("scope_", scope)).join(", ");
  return [table(t("admin_tokens"), [t("name"), t("scopes"), t("until"), t("last_used"), t("state")],
    list.map((one) => [one.name, words(one), when(one.expires_at), when(one.last_used_at), state(one)]))];
}

export async function tokens() {
  const list = await living(tokenTable);
  if (!mayWrite()) return [list.node];
  const name = element("input", { type: "text", required: true, maxlength: "60" });
  const days = element("input", { type: "number", min: "1", max: "365", value: "90" });
  const boxes = scopes.map((scope) => check(t(`scope_${scope}`), { value: scope }));
  const shown = element("div", { id: "new-token" });
  const make = form(t("token_make"), async () => {
    const made = await post("/api/tokens",
      { name: name.value.trim(), scopes: ticked(boxes, "scope_missing"), days: Number(days.value) });
    shown.replaceChildren(secret(t("token_once"), made.token));
    await list.again();
  }, element("div", { class: "filters" }, field(t("name"), name), field(t("days"), days)),
    element("fieldset", {}, element("legend", {}, t("scopes")), element("div", { class: "columns" }, boxes)));
  return [make, shown, list.node];
}

const eventTypes = [
  "conversation.created", "answer.created", "preference.created", "preference.retracted", "answer_note.created", "task.submitted",
  "project.finished", "visitor.withdrawn", "import.finished"
];

/** deliveries: where those of one webhook are shown. */
const webhookTable = (deliveries) => async (again) => {
  const answer = await get("/api/webhooks");
  const show = async (id) => {
    const list = (await get(`/api/webhooks/${id}/deliveries`)).deliveries;
    deliveries.replaceChildren(table(t("deliveries"), [t("type"), t("when"), t("attempts"), t("state")],
      list.map((one) => [wordOf("event_", one.type), when(one.created_at), one.tries,
                 [wordOf("delivery_", one.state), one.last_error].filter(Boolean).join(": ")])));
  };
  const act = (one, verb, then) => button(t(verb), () => attempt(async () => {
    await post(`/api/webhooks/${one.id}/${verb}`);
    announce(t("done"));
    await then(one.id);
  }));
  const acts = (one) => element("div", { class: "row" }, button(t("deliveries"), () => attempt(() => show(one.id))),
    !mayWrite()            ? [] :
    one.state === "active" ? [act(one, "test", show), act(one, "disable", again)] :
                             [act(one, "enable", again)]);
  const rows = answer.webhooks.map((one) => [one.url, (one.types ?? []).map((type) => wordOf("event_", type)).join(", "),
    t(one.state), acts(one)]);
  return [table(t("admin_webhooks"), ["URL", t("event_types"), t("state"), t("action")], rows)];
};

export async function webhooks() {
  const deliveries = element("div");
  const list = await living(webhookTable(deliveries));
  if (!mayWrite()) return [list.node, deliveries];
  const url = element("input", { type: "url", required: true, maxlength: "500", placeholder: "https:" });
  const boxes = eventTypes.map((type) => check(wordOf("event_", type), { value: type, checked: true }));
  const shown = element("div", { id: "new-webhook" });
  const make = form(t("webhook_make"), async () => {
    const made = await post("/api/webhooks", { url: url.value.trim(), types: ticked(boxes, "event_missing") });
    shown.replaceChildren(secret(t("webhook_once"), made.secret));
    await list.again();
  }, field("URL", url, t("webhook_help")),
    element("fieldset", {}, element("legend", {}, t("event_types")), element("div", { class: "columns" }, boxes)));
  return [make, shown, list.node, deliveries];
}
