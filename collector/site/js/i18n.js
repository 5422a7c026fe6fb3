// SPDX-License-Identifier: Apache-2.0
// Words of the page: one flat catalogue a language, chosen by the person, else by the browser, else Spanish.
import { byId } from "./dom.js";

export const locales = ["es", "pt", "en"];
let words = {};
let current = "es";

export const locale = () => current;

/** The text of a key with {name} parts filled in. A missing key shows itself, so that it is seen. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const hasWord = (key) => key in words;

export function storedLocale() {
  const wanted = [localStorage.getItem("afina.locale"), ...(navigator.languages ?? [])];
  for (const tag of wanted) {
    const short = (tag ?? "").slice(0, 2).toLowerCase();
    if (locales.includes(short)) return short;
  }
  return "es";
}

let asked = "";

/** The last language asked for wins, in whatever order the catalogues arrive. */
export async function setLocale(name) {
  asked = name;
  const catalogue = await (await fetch(`/locales/${name}.json`)).json();
  if (asked !== name) return;
  words = catalogue;
  current = name;
  localStorage.setItem("afina.locale", name);
  document.documentElement.lang = name;
  apply(document);
}

export function apply(root) {
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = t(node.dataset.i18n);
  for (const node of root.querySelectorAll("[data-i18n-label]")) node.setAttribute("aria-label", t(node.dataset.i18nLabel));
  for (const node of root.querySelectorAll("[data-i18n-placeholder]")) {
    node.setAttribute("placeholder", t(node.dataset.i18nPlaceholder));
  }
}

/** Fills the language menu; `changed` runs after each change. */
export async function startLanguageMenu(changed) {
  const menu = byId("language");
  const names = { es: "Español", pt: "Português", en: "English" };
  for (const name of locales) menu.append(new Option(names[name], name));
  menu.value = storedLocale();
  menu.addEventListener("change", async () => {
    await setLocale(menu.value);
    changed();
  });
  await setLocale(menu.value);
}
