// SPDX-License-Identifier: Apache-2.0
// The start: language, who is here, the bar, the views.
import { byId, element, notice } from "./dom.js";
import { startLanguageMenu, t } from "./i18n.js";
import { startKeys } from "./keys.js";
import { flush, onSettled, startOutbox } from "./outbox.js";
import { addView, failed, go, place, show, startRouter, viewsFor } from "./router.js";
import { admins, askMe, engineers, loadMe, me, members, reviewers } from "./session.js";
import { attempt } from "./ui.js";
import { startDrafts } from "./vote_drafts.js";
import { startWorker } from "./worker.js";

const everybody = ["anyone", "visitor", "auditor", ...members];
addView("consent", { load: () => import("./views/consent.js"), who: everybody, title: "consent_page" });
addView("chat", { load: () => import("./views/chat.js"), who: ["visitor", ...members], nav: "nav_chat", title: "nav_chat", otherwise: () => (me.who === "auditor" ? "review" : "consent"), wide: true, consent: true });
addView("tasks", { load: () => import("./views/tasks.js"), who: [...members, "auditor"], nav: "nav_tasks", title: "nav_tasks", wide: true, consent: true });
addView("review", { load: () => import("./views/review.js"), who: reviewers, nav: "nav_review", title: "nav_review", wide: true });
addView("data", { load: () => import("./views/data.js"), who: engineers, nav: "nav_data", title: "nav_data" });
addView("boards", { load: () => import("./views/boards.js"), who: everybody, nav: "nav_boards", title: "nav_boards" });
addView("admin", { load: () => import("./views/admin.js"), who: admins, nav: "nav_admin", title: "nav_admin" });
addView("me", { load: () => import("./views/me.js"), who: everybody, nav: "nav_me", title: "nav_me" });
addView("login", { load: () => import("./views/login.js"), who: everybody, title: "login_title" });
addView("join", { load: () => import("./views/join.js"), who: everybody, title: "join_title" });

function drawBar() {
  byId("nav").replaceChildren(...viewsFor(me.who).map(([name, view]) => element("a", { href: `#/${name}`, "data-view": name },
    name === "me" && me.account ? me.account.name : t(view.nav))));
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === document.body.dataset.view) link.setAttribute("aria-current", "page");
  }
}

function openNav(open) {
  byId("bar").classList.toggle("open", open);
  byId("toggle-nav").setAttribute("aria-expanded", String(open));
}

// The address after "#" is the router's: the link to the content moves the focus itself.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
byId("toggle-nav").addEventListener("click", () => openNav(!byId("bar").classList.contains("open")));
window.addEventListener("hashchange", () => openNav(false));
window.addEventListener("afina:waiting", ({ detail: count }) => {
  byId("waiting").hidden = !count;
  byId("waiting").textContent = count ? t("waiting_count", { count }) : "";
});
// Somebody came in, or is no longer known: the bar and the view follow.
window.addEventListener("afina:entered", () => {
  drawBar();
  flush();
  if (["consent", "login", "join", ""].includes(place()[0])) go("chat");
  else show();
});
const askWho = () => attempt(async () => {
  await askMe();
  drawBar();
  if (failed()) await show();
});
window.addEventListener("afina:who", askWho);
window.addEventListener("afina:person", () => {
  drawBar();
  show();
});

// Away from the server the page goes on with what it has, says so, and asks now and then.
const kAskEveryMs = 5000;
let asking = 0;
window.addEventListener("afina:reach", ({ detail: reached }) => {
  byId("away").hidden = reached;
  byId("away").textContent = reached ? "" : t("away_line");
  clearInterval(asking);
  if (!reached) asking = setInterval(() => askMe().catch(() => {}), kAskEveryMs);
  else if (me.old || failed()) askWho();
});
window.addEventListener("online", () => { if (!byId("away").hidden) askWho(); });

// What was sent while nobody waited for the answer: a task's draft is done with, or its refusal is told.
onSettled((item, answer, error, alone) => {
  if (item.about.kind !== "submit" || !alone || error?.passing) return;
  if (error) notice(`${t("submit_refused")} ${error.message}`);
  else localStorage.removeItem(`afina.task.${item.about.assignment}`);
});
// A conversation that is open tells it itself.
startDrafts();
onSettled(({ about }, answer, error) => {
  if (!error || error.passing || document.body.dataset.view === "chat") return;
  if (["vote", "correction"].includes(about.kind)) notice(t("vote_refused", { why: error.message }));
});

startKeys();
await attempt(async () => {
  if (location.pathname === "/join") (await import("./views/join.js")).takeToken();
  await startLanguageMenu(() => { drawBar(); show({ keepFocus: true }); });
  // Away, with nobody remembered, the views still say so.
  await attempt(loadMe);
  drawBar();
  await startOutbox();
  await startRouter();
});
await startWorker();
