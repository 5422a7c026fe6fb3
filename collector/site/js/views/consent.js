// SPDX-License-Identifier: Apache-2.0
// Consent: the whole text, purposes apart and off by default, then the receipt code, shown once.
import {get, post} from "../api.js";
import {announce, element} from "../dom.js";
import {shownLocale, t} from "../i18n.js";
import {loadMe, me} from "../session.js";
import {attempt, button, form} from "../ui.js";

let ticked = new Set();  // survives a change of language
let pending = null;  // {code, done} of a receipt that nobody has said they kept

/**
 * The text with its boxes, for visits, joins and changes. node, and body() → what the API takes or null, saying what is missing.
 */
export async function consentForm({adult = true, chosen = null} = {}) {
  const text = await get(`/api/consent/${shownLocale()}`);
  const wanted = chosen ? new Set(chosen) : ticked;
  const boxes = [...(adult ? [{ id: "adult", required: true, label: text.adult }] : []), ...text.purposes].map((purpose) => {
    const box = element("input", {
      type: "checkbox",
      value: purpose.id,
      checked: wanted.has(purpose.id),
      onchange: () => {
        if (box.checked)
          wanted.add(purpose.id);
        else
          wanted.delete(purpose.id);
      }
    });
    return { purpose, box };
  });
  const problem = element("p", { class: "problem", id: "consent-problem", role: "alert", hidden: true });
  const node = element("div", {},
    element("div", { id: "consent-body", class: "prose" },
      text.sections.map(
        (section) => [element("h2", {}, section.title), section.paragraphs.map((paragraph) => element("p", {}, paragraph))])),
    element("fieldset", { id: "consent-purposes" }, element("legend", {}, t("consent_choices")),
      boxes.map(({ purpose, box }) => element("label", { class: "check" }, box,
                  element("span", {}, `${purpose.label} `,
                    element("span", { class: "tag" }, t(purpose.required ? "consent_required" : "consent_optional")))))),
    problem);
  return {
    node,
    title: text.title,
    version: text.version,
    body: () => {
      const missing = boxes.filter(({ purpose, box }) => purpose.required && !box.checked).map(({ purpose }) => purpose.label);
      problem.hidden = !missing.length;
      problem.textContent = missing.length ? t("consent_missing", { what: missing.join(" · ") }) : "";
      if (missing.length) return null;
      return {
        locale: text.locale,
        consent_version: text.version,
        consent_sha256: text.sha256,
        ...(adult ? { adult: true } : {}),
        purposes: boxes.filter(({ purpose, box }) => box.checked && purpose.id !== "adult").map(({ purpose }) => purpose.id),
      };
    },
  };
}

const entered = async (root) => {
  await loadMe();
  root.replaceChildren();
  window.dispatchEvent(new CustomEvent("afina:entered"));
};

export async function open(root) {
  if (receiptAgain(root)) return;
  // Who agreed before says so again, to the words as they are now, and stays who they are.
  const again = me.consent;
  const consent = await consentForm(again ? { adult: false, chosen: me.purposes } : {});
  const send = form(t("consent_accept"), async () => {
    const body = consent.body();
    if (!body) return;
    if (again) {
      await post("/api/consent", body);
      return entered(root);
    }
    // An account without a consent gives one for itself; everybody else becomes a visitor.
    const answer = await post("/api/visits", body);
    ticked = new Set();
    receipt(root, answer.receipt_code, (shown) => attempt(() => entered(shown)));
  }, consent.node);
  send.id = "consent-form";
  const changed = me.consent_outdated ? element("p", { class: "calm", id: "consent-outdated" }, t("consent_outdated_text")) : null;
  root.append(
    element("section", { class: "page", id: "view-consent" }, element("h1", { id: "consent-title" }, consent.title), changed, send,
      element("p", { class: "muted small" }, t("consent_version", { version: consent.version }), " · ",
        element("a", { href: "/withdraw" }, t("withdraw_link")), " · ", element("a", { href: "#/login" }, t("login_link")))));
}

/** Shows a receipt code until the person says that it is kept; then done(root). */
export function receipt(root, code, done) {
  pending = { code, done };
  const shown = element("code", { id: "receipt-code" }, code);
  const title = element("h1", { tabindex: "-1" }, t("receipt_title"));
  root.replaceChildren(element("section", { class: "page", id: "view-receipt" }, title, element("p", {}, t("receipt_text")),
    element("p", { class: "code-box" }, shown), element("p", { class: "row" }, button(t("copy"), async () => {
      await navigator.clipboard?.writeText(code).catch(() => {});
      getSelection().selectAllChildren(shown);
      announce(t("copied"));
    }), button(t("save_file"), () => {
      const file = new Blob([t("receipt_file", { code, url: `${location.origin}/withdraw` })], { type: "text/plain" });
      const link = element("a", { href: URL.createObjectURL(file), download: "afina.txt" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    })), element("p", { class: "muted" }, t("receipt_where")), button(t("receipt_done"), () => {
      pending = null;
      done(root);
    }, { class: "primary", id: "receipt-done" })));
  title.focus();
}

/** Whether there is one, which is shown again: the language was changed, or the person looked elsewhere meanwhile. */
export function receiptAgain(root) {
  if (pending) receipt(root, pending.code, pending.done);
  return Boolean(pending);
}
