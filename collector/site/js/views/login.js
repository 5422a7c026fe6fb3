// SPDX-License-Identifier: Apache-2.0
// Sign-in of people with an account. There is no sign-up here: accounts come by invitation.
import {post} from "../api.js";
import {element} from "../dom.js";
import {t} from "../i18n.js";
import {takeMe} from "../session.js";
import {field, form} from "../ui.js";

export const nameBox = () => element("input", {
  type: "text",
  name: "name",
  autocomplete: "username",
  autocapitalize: "none",
  spellcheck: "false",
  required: true,
  maxlength: "64"
});
export const passwordBox = (fresh) => element("input", {
  type: "password",
  name: "password",
  autocomplete: fresh ? "new-password" : "current-password",
  required: true,
  maxlength: "128",
  minlength: fresh ? "12" : null
});

export function open(root) {
  const name = nameBox(), password = passwordBox(false);
  const workspace = element("input", { type: "text", name: "workspace", autocomplete: "organization", maxlength: "100" });
  root.append(element("section", { class: "page small-page", id: "view-login" }, element("h1", {}, t("login_title")),
    element("p", { class: "muted" }, t("login_text")),
    form(t("login_send"),
      async () => {
        takeMe(await post("/api/login", {
          name: name.value.trim(),
          password: password.value,
          ...(workspace.value.trim() ? { workspace: workspace.value.trim() } : {})
        }));
        window.dispatchEvent(new CustomEvent("afina:entered"));
      },
      field(t("account_name"), name), field(t("password"), password),
      element("details", {}, element("summary", {}, t("login_more")), field(t("workspace"), workspace, t("workspace_help")))),
    element("p", {}, element("a", { href: "#/chat" }, t("login_without")))));
}
