// SPDX-License-Identifier: Apache-2.0
// What a person may tell about themselves. All of it optional, with the reason for each question beside it.
import {get, post} from "../api.js";
import {announce, element} from "../dom.js";
import {names, shownLocale, t} from "../i18n.js";
import {check, field, form, select} from "../ui.js";

const countries = [
  "AR", "BO", "BR", "CL", "CO", "CR", "CU", "DO", "EC", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "PY", "SV", "UY", "VE", "US",
  "ES", "PT"
];
const ages = ["18-24", "25-34", "35-44", "45-54", "55-64", "65+"];

export async function profileForm() {
  const profile = await get("/api/profile");
  const region = new Intl.DisplayNames([shownLocale()], { type: "region" });
  const sorted = countries.map((code) => [code, region.of(code)]).sort((a, b) => a[1].localeCompare(b[1], shownLocale()));
  const country = select([["", t("rather_not_say")], ...sorted], profile.country ?? "");
  const age = select([["", t("rather_not_say")], ...ages.map((band) => [band, band])], profile.age_band ?? "");
  const dialect = element("input", { type: "text", maxlength: "60", value: profile.dialect ?? "" });
  const known = Object.entries(names).map(
    ([code, name]) => ({ code, label: check(name, { value: code, checked: (profile.languages ?? []).includes(code) }) }));
  const save = form(t("save"),
    async (node) => {
      const languages = known.filter(({ label }) => label.querySelector("input").checked).map(({ code }) => code);
      await post("/api/profile", {
        ...(country.value ? { country: country.value } : {}),
        ...(age.value ? { age_band: age.value } : {}),
        ...(dialect.value.trim() ? { dialect: dialect.value.trim() } : {}),
        ...(languages.length ? { languages } : {})
      });
      announce(t("saved"));
      node.append(element("p", { class: "done" }, t("saved")));
    },
    element("p", {}, t("profile_why")), field(t("country"), country, t("country_why")),
    element("fieldset", {}, element("legend", {}, t("languages_known")),
      element("p", { class: "muted small" }, t("languages_why")),
      element("div", { class: "columns" }, known.map(({ label }) => label))),
    field(t("dialect"), dialect, t("dialect_why")), field(t("age_band"), age, t("age_why")));
  return element("details", { class: "block", id: "profile" }, element("summary", {}, t("profile")), save);
}
