// SPDX-License-Identifier: Apache-2.0
// Views by the address after "#": "#/tasks/ID" opens view "tasks" with ["ID"]. A view is a module with
// open(root, parts) → cleanup function or nothing; it is loaded when first wanted.
import { ApiError } from "./api.js";
import { byId, element, notice } from "./dom.js";
import { t } from "./i18n.js";
import { setKeys } from "./keys.js";
import { me, mustConsent } from "./session.js";
import { attempt, button } from "./ui.js";

const views = new Map();
let cleanup = null, turn = 0, last = "";

/**
 * who: those who may open it (others are led to what `otherwise` says); nav: key of its name in the bar; consent: whether
 * a consent to the text as it is now comes first.
 */
export const addView = (name, view) => views.set(name, view);
export const viewsFor = (who) => [...views].filter(([, view]) => view.nav && view.who.includes(who));

/** The hash as [view, ...parts]. */
export const place = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
export const go = (...parts) => {
  const hash = `#/${parts.map(encodeURIComponent).join("/")}`;
  if (location.hash === hash) return show();
  location.hash = hash;
};
/**
 * The view that is on the page under `root` tells its address, without anything being opened. Who has already chosen
 * another (the address changes some moments before hashchange is heard) is not called back.
 */
export const rename = (root, ...parts) => {
  if (!root.isConnected || location.hash !== last) return;
  history.replaceState(null, "", `#/${parts.map(encodeURIComponent).join("/")}`);
  last = location.hash;
};

/** True where the view could not be opened. */
export const failed = () => document.querySelector("#main > .view")?.dataset.failed === "true";

export async function show({ keepFocus = false } = {}) {
  const mine = ++turn;
  const [wanted, ...parts] = place();
  let name = views.has(wanted) ? wanted : "chat";
  if (!views.get(name).who.includes(me.who)) name = views.get(name).otherwise?.() ?? "login";
  if (views.get(name).consent && me.who !== "auditor" && mustConsent()) name = "consent";
  notice("");
  cleanup?.();
  cleanup = null;
  setKeys([]);
  last = location.hash;
  const view = views.get(name);
  const root = element("div", { class: view.wide ? "view wide" : "view" }, element("p", { class: "muted" }, t("loading")));
  byId("main").replaceChildren(root);
  document.body.dataset.view = name;
  document.title = view.title ? `${t(view.title)} · Afina` : "Afina";
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  let missing = false;  // the view's own file: a browser may never ask for it again
  const opened = await attempt(async () => {
    const module = await view.load().catch(() => {
      missing = true;
      throw new ApiError("offline", 0);
    });
    if (mine !== turn) return;
    root.replaceChildren();
    const done = await module.open(root, parts);
    if (mine === turn) cleanup = done ?? null;
    else done?.();
  });
  if (mine !== turn) return;
  if (!opened && (missing || !root.hasChildNodes())) {
    root.dataset.failed = "true";
    const why = byId("notice").textContent;
    notice("");  // it is told here, once
    root.replaceChildren(element("div", { class: "empty" }, element("h1", { class: "title" }, t("view_failed")), element("p", { role: "alert" }, why),
      button(t("try_again"), () => (missing ? location.reload() : show()), { class: "primary" })));
  }
  root.dataset.ready = name;
  if (!keepFocus && !root.contains(document.activeElement)) {
    const head = root.querySelector("h1");
    head?.setAttribute("tabindex", "-1");
    head?.focus({ preventScroll: true });
  }
}

export function startRouter() {
  window.addEventListener("hashchange", () => { if (location.hash !== last) show(); });
  return show();
}
