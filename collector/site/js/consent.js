// SPDX-License-Identifier: Apache-2.0
// Consent: the whole text, purposes apart and off by default, then the receipt code, shown once.
import { get, post } from "./api.js";
import { byId, element, announce } from "./dom.js";
import { locale, t } from "./i18n.js";

let text = null;

/** Draws the consent of the chosen language; what was ticked stays ticked. */
export async function showConsent() {
  const ticked = new Set([...document.querySelectorAll("#consent-purposes input:checked")].map((box) => box.value));
  text = await get(`/api/consent/${locale()}`);
  byId("consent-title").textContent = text.title;
  byId("consent-body").replaceChildren(...text.sections.flatMap((section) =>
    [element("h2", {}, section.title), ...section.paragraphs.map((paragraph) => element("p", {}, paragraph))]));
  byId("consent-purposes").replaceChildren(...[{ id: "adult", required: true, label: text.adult }, ...text.purposes].map((purpose) =>
    element("label", { class: "check" },
      element("input", { type: "checkbox", value: purpose.id, checked: ticked.has(purpose.id) }),
      element("span", {}, `${purpose.label} `,
        element("span", { class: "tag" }, t(purpose.required ? "consent_required" : "consent_optional"))))));
  byId("consent-version").textContent = t("consent_version", { version: text.version });
}

/** Wires the form; begun(answer) runs once the server has stored the consent and the code was shown. */
export function startConsent(begun, failed) {
  byId("consent-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const ticked = [...document.querySelectorAll("#consent-purposes input:checked")].map((box) => box.value);
    const missing = [...(ticked.includes("adult") ? [] : [text.adult]),
      ...text.purposes.filter((purpose) => purpose.required && !ticked.includes(purpose.id)).map((purpose) => purpose.label)];
    const problem = byId("consent-problem");
    problem.hidden = !missing.length;
    problem.textContent = missing.length ? t("consent_missing", { what: missing.join(" · ") }) : "";
    if (missing.length) return;
    const button = event.submitter;
    if (button) button.disabled = true;
    try {
      const answer = await post("/api/visits", {
        locale: text.locale, consent_version: text.version, consent_sha256: text.sha256, adult: true,
        purposes: ticked.filter((name) => name !== "adult"),
      });
      showReceipt(answer.receipt_code, begun);
    } catch (error) {
      failed(error);
    } finally {
      if (button) button.disabled = false;
    }
  });
}

function showReceipt(code, begun) {
  byId("view-consent").hidden = true;
  byId("view-receipt").hidden = false;
  byId("receipt-code").textContent = code;
  byId("receipt-title").focus();
  byId("receipt-copy").onclick = async () => {
    await navigator.clipboard?.writeText(code).catch(() => {});
    getSelection().selectAllChildren(byId("receipt-code"));
    announce(t("copied"));
  };
  byId("receipt-save").onclick = () => {
    const file = new Blob([t("receipt_file", { code, url: `${location.origin}/withdraw` })], { type: "text/plain" });
    const link = element("a", { href: URL.createObjectURL(file), download: "afina.txt" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  byId("receipt-done").onclick = () => {
    byId("receipt-code").textContent = "";
    begun();
  };
}
