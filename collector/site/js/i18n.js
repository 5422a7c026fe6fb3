// SPDX-License-Identifier: Apache-2.0
// Words of the page: one flat catalogue a language, chosen by the person, else by the browser, else Spanish. Languages
// whose catalogue is not whole are offered with how much of it there is; what they lack is shown in Spanish.
import { byId, element } from "./dom.js";

export const complete = ["es", "pt", "en"];
/** Each by the name its speakers give it. Their catalogues hold only what speakers have confirmed. */
export const names = {
  es: "Español", pt: "Português", en: "English",
  rap: "Vananga Rapa Nui", arn: "Mapudungun", qu: "Runasimi", gn: "Avañe'ẽ", ay: "Aymar aru",
};
let words = {}, whole = {};
let current = "es", asked = "";

/** The language of the menu. */
export const locale = () => current;
/** The language of what is really shown, of consent texts and dates: one whose catalogue is whole. */
export const shownLocale = () => (complete.includes(current) ? current : "es");

/** The text of a key with {name} parts filled in. A missing key shows itself, so that it is seen. */
export function t(key, values = {}) {
  const text = words[key] ?? whole[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (part, name) => (name in values ? String(values[name]) : part));
}

export const hasWord = (key) => key in words || key in whole;
/** The words for a code of the server, or the code itself, which is better than nothing. */
export const wordOf = (prefix, code) => (hasWord(`${prefix}${code}`) ? t(`${prefix}${code}`) : String(code));

export const format = (number, digits = 3) => new Intl.NumberFormat(shownLocale(), { maximumFractionDigits: digits }).format(number);
export const percent = (share, digits = 1) => new Intl.NumberFormat(shownLocale(), { style: "percent", maximumFractionDigits: digits }).format(share);
/** A moment in the person's own time, in one piece: a narrow column does not tear it into lines. */
export const when = (iso) => (iso ? new Intl.DateTimeFormat(shownLocale(), { dateStyle: "medium", timeStyle: "short" })
  .format(new Date(iso)).replace(/\s/g, "\u00a0") : "—");

export function storedLocale() {
  for (const tag of [localStorage.getItem("afina.locale"), ...(navigator.languages ?? [])]) {
    const short = (tag ?? "").split("-")[0].toLowerCase();
    if (short in names) return short;
  }
  return "es";
}

const catalogue = async (name) => (await fetch(`/locales/${name}.json`)).json();
const share = (part, all) => Object.keys(part).length / Math.max(1, Object.keys(all).length);

/** The last language asked for wins, in whatever order the catalogues arrive. */
export async function setLocale(name) {
  asked = name;
  const [own, spanish] = await Promise.all([catalogue(name), complete.includes(name) ? {} : catalogue("es")]);
  if (asked !== name) return;
  words = own;
  whole = spanish;
  current = name;
  localStorage.setItem("afina.locale", name);
  document.documentElement.lang = shownLocale();
  apply(document);
  const meter = byId("translation");
  meter.hidden = complete.includes(name);
  meter.replaceChildren(...(meter.hidden ? [] : [element("strong", { lang: name }, names[name]), " · ",
    t("translation_meter", { share: percent(share(own, spanish)), have: Object.keys(own).length, all: Object.keys(spanish).length })]));
}

export function apply(root) {
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = t(node.dataset.i18n);
  for (const node of root.querySelectorAll("[data-i18n-label]")) node.setAttribute("aria-label", t(node.dataset.i18nLabel));
}

/** Fills the language menu; `changed` runs after each change. */
export async function startLanguageMenu(changed) {
  const menu = byId("language");
  for (const name of Object.keys(names)) menu.append(element("option", { value: name, lang: name }, names[name]));
  menu.value = storedLocale();
  menu.addEventListener("change", async () => {
    await setLocale(menu.value);
    showShares();
    changed();
  });
  await setLocale(menu.value);
  showShares();
}

/** How much of each small catalogue there is, beside its name in the menu. */
async function showShares() {
  const all = complete.includes(current) ? words : whole;
  for (const option of byId("language").options) {
    if (complete.includes(option.value)) continue;
    const part = await catalogue(option.value).catch(() => null);
    if (part) option.textContent = t("translation_option", { name: names[option.value], share: percent(share(part, all)) });
  }
}
