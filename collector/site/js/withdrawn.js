// SPDX-License-Identifier: Apache-2.0
// What a withdrawal answers: the runs and adapters that were made before the data left.
import { element } from "./dom.js";
import { t } from "./i18n.js";

export function withdrawnList({ adapters = [], runs = [] }) {
  const made = [...adapters, ...runs];
  return made.length ? element("div", {}, element("p", {}, t("withdraw_tainted")),
    element("ul", {}, made.map((one) => element("li", {}, one.name ? `${one.name} ` : "", element("code", {}, one.id))))) : "";
}
