// SPDX-License-Identifier: Apache-2.0
// "/join#TOKEN": an invitation becomes an account, with a name of one's own, a password and consent, or one more place
// for whoever is signed in. The token stands after "#", which browsers do not send; it is taken out of the address at
// once and kept for this tab until it is used, so that a reload loses nothing.
import {post} from "../api.js";
import {element} from "../dom.js";
import {shownLocale, t} from "../i18n.js";
import {me, takeMe} from "../session.js";
import {attempt, field, form} from "../ui.js";

import {consentForm, receipt, receiptAgain} from "./consent.js";
import {nameBox, passwordBox} from "./login.js";

const store = "afina.join";
let token = sessionStorage.getItem(store) ?? "";
// What was typed survives a change of language; the password only in memory.
const typed = { name: "", password: "" };

export const takeToken = () => {
  token = decodeURIComponent(location.hash.slice(1)) || token;
  sessionStorage.setItem(store, token);
  history.replaceState(null, "", "/#/join");
};
const forget = () => {
  token = typed.name = typed.password = "";
  sessionStorage.removeItem(store);
};

/** For whoever is signed in: the same account gets the place. */
function accept() {
  const node = form(t("join_as", { name: me.account.name }),
    async () => {
      takeMe(await post("/api/join", { token }));
      forget();
      window.dispatchEvent(new CustomEvent("afina:entered"));
    },
    element("p", {}, t("join_signed_in", { name: me.account.name })));
  node.id = "join-accept";
  return node;
}

export async function open(root) {
  if (receiptAgain(root)) return;
  const page = (...parts) => root.append(
    element("section", { class: "page", id: "view-join" }, element("h1", {}, t("join_title")), ...parts));
  if (!token) return page(element("p", { class: "problem" }, t("join_open_link")));
  const consent = await consentForm();
  const known = me.account;
  const fresh = [element("p", {}, t("join_text")), joinForm(root, consent)];
  page(known ? accept() : null,
    known ? element("details", { class: "block", id: "join-other" }, element("summary", {}, t("join_other")), fresh) : fresh);
}

function joinForm(root, consent) {
  const name = nameBox(), password = passwordBox(true);
  for (const [key, box] of Object.entries({ name, password })) {
    box.value = typed[key];
    box.addEventListener("input", () => { typed[key] = box.value; });
  }
  return form(t("join_send"), async () => {
    const agreed = consent.body();
    if (!agreed) return;
    const answer = await post("/api/join",
      {...agreed, token, name: name.value.trim(), password: password.value, locale: agreed.locale ?? shownLocale() });
    forget();
    takeMe(answer);
    const enter = () => window.dispatchEvent(new CustomEvent("afina:entered"));
    if (answer.receipt_code)
      receipt(root, answer.receipt_code, () => attempt(enter));
    else
      enter();
  }, field(t("account_name"), name, t("account_name_help")), field(t("password"), password, t("password_help")),
    element("h2", {}, consent.title), consent.node);
}
