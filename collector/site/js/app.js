// SPDX-License-Identifier: Apache-2.0
// The page's one flow: consent, then conversations. The server holds the state; a reload finds everything again.
import { ApiError, get, getStream, newKey, post, postStream } from "./api.js";
import { showConsent, startConsent } from "./consent.js";
import { announce, byId, element, notice } from "./dom.js";
import { startLanguageMenu, locale, t } from "./i18n.js";
import { enqueue, forget, startOutbox, waiting } from "./outbox.js";
import { TurnView, fillKeys, keyOf } from "./turn.js";

const state = { conversations: [], current: null, views: [], readyAt: 0 };
const message = byId("message");

function show(view) {
  for (const name of ["loading", "consent", "receipt", "chat"]) byId(`view-${name}`).hidden = name !== view;
  byId("open-keys").hidden = byId("toggle-list").hidden = view !== "chat";
}

function failed(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.code === "consent_required" || error.code === "consent_outdated") return start();
  notice(error.message);
}

/** Runs an action of the person and shows what went wrong. */
async function attempt(action) {
  notice("");
  try {
    await action();
  } catch (error) {
    failed(error);
  }
}

// Conversations ------------------------------------------------------------------------------------------------------

async function loadList() {
  state.conversations = (await get("/api/conversations")).conversations;
  drawList();
}

function drawList() {
  byId("conversations").replaceChildren(...state.conversations.map((conversation) => element("li", {},
    element("button", {
      type: "button", "aria-current": conversation.id === state.current ? "true" : null,
      onclick: () => attempt(() => open(conversation.id)),
    }, conversation.title || t("new_chat")))));
  byId("no-conversations").hidden = state.conversations.length > 0;
}

function closeDrawer() {
  byId("list").classList.remove("open");
  byId("toggle-list").setAttribute("aria-expanded", "false");
}

function fresh() {
  state.current = null;
  state.views = [];
  history.replaceState(null, "", "/");
  drawTurns();
  closeDrawer();
  message.focus();
}

async function open(id) {
  const conversation = await get(`/api/conversations/${id}`);
  state.current = id;
  history.replaceState(null, "", `/#${id}`);
  state.views = conversation.turns.map((turn) => new TurnView(withWaiting(turn), actions));
  drawTurns();
  closeDrawer();
  const last = state.views.at(-1);
  if (last?.turn.state === "running") await follow(last, (onEvent) => getStream(`${turnPath(last.turn)}/stream`, onEvent));
}

/** Lays what the outbox still holds over the server's state. */
function withWaiting(turn) {
  for (const item of waiting()) {
    if (item.about.exposure !== turn.exposure) continue;
    const { outcome, reason = "" } = item.body;
    turn.vote = item.about.kind === "undo" ? null : { id: item.key, outcome, reason, waiting: true };
  }
  return turn;
}

function drawTurns() {
  byId("turns").replaceChildren(...state.views.map((view) => view.node));
  byId("empty").hidden = state.views.length > 0;
  byId("starters").replaceChildren(...["starter_1", "starter_2", "starter_3"].map((key) => element("button",
    { type: "button", onclick: () => { message.value = t(key); message.focus(); } }, t(key))));
  drawList();
  drawComposer();
}

function drawComposer() {
  const last = state.views.at(-1)?.turn;
  const running = last?.state === "running";
  const unvoted = Boolean(last?.votable && !last.vote);
  const hint = byId("composer-hint");
  hint.hidden = !unvoted;
  hint.textContent = unvoted ? t("vote_first_hint") : "";
  byId("send").disabled = running || unvoted;
  byId("composer").classList.toggle("resting", unvoted);  // a small screen belongs to the two answers and the vote
}

// Sending and streaming ----------------------------------------------------------------------------------------------

const wantedSides = () => (byId("two").checked ? ["a", "b"] : ["only"]);
const turnPath = (turn, conversation = state.current) => `/api/conversations/${conversation}/turns/${turn.id}`;

async function sendMessage() {
  const text = message.value.trim();
  if (!text || byId("send").disabled) return;
  if (!state.current) {
    const made = await post("/api/conversations", { locale: locale() });
    state.current = made.id;
    history.replaceState(null, "", `/#${made.id}`);
    state.conversations.unshift({ id: made.id, title: text.slice(0, 80) });
  }
  const sides = wantedSides();
  const view = new TurnView({ text, state: "running", answers: sides.map((side) => ({ side, text: "" })) }, actions);
  state.views.push(view);
  drawTurns();
  message.value = "";
  localStorage.removeItem("afina.draft");
  view.node.scrollIntoView({ block: "start" });
  const path = `/api/conversations/${state.current}/messages`;
  try {
    await follow(view, (onEvent) => postStream(path, { text, answers: sides.length }, newKey(), onEvent));
  } catch (error) {
    if (!view.turn.id) {  // The server has not taken the message: nothing the person wrote is lost.
      state.views.pop();
      message.value = text;
      localStorage.setItem("afina.draft", text);
      drawTurns();
    }
    throw error;
  }
}

/** Shows a turn's stream. Where it breaks, the server goes on and is asked again. */
async function follow(view, stream) {
  const conversation = state.current;
  announce(t("writing"));
  for (let tries = 0; ; ++tries) {
    try {
      let ended = false;
      await stream((name, data) => {
        if (name === "start" || name === "done") view.show(data);
        if (name === "done") ended = true;
        if (name === "delta") view.append(data.side, data.text);
        if (name === "error") throw new ApiError(data.error.code ?? "unknown", 500);
      });
      if (ended) break;
      throw new ApiError("offline", 0);
    } catch (error) {
      if (!(error instanceof ApiError) || !view.turn.id || !error.passing || tries > 20) throw error;
      await new Promise((resume) => setTimeout(resume, 1500));
      const path = turnPath(view.turn, conversation);
      stream = (onEvent) => getStream(`${path}/stream`, onEvent);
    }
  }
  state.readyAt = performance.now();
  announce(t(view.turn.votable ? "ready_pair" : "ready_single"));
  drawComposer();
}

// What follows a pair ------------------------------------------------------------------------------------------------

const actions = {
  vote(turn, outcome) {
    const ms = state.readyAt ? Math.round(performance.now() - state.readyAt) : null;
    const id = enqueue("/api/votes", { exposure: turn.exposure, outcome, ms_to_decide: ms }, { kind: "vote", exposure: turn.exposure });
    redraw(turn.exposure, (shown) => { shown.vote = { id, outcome, reason: "" }; });
    focusIn(turn.exposure, ".undo");
  },
  undo(turn) {
    enqueue(`/api/votes/${turn.vote.id}/undo`, {}, { kind: "undo", exposure: turn.exposure });
    redraw(turn.exposure, (shown) => { shown.vote = null; });
    focusIn(turn.exposure, ".vote button");
  },
  // A reason is a correction of the vote: the same verdict again, with words.
  reason(turn, reason) {
    const { id: supersedes, outcome } = turn.vote;
    const id = enqueue("/api/votes", { exposure: turn.exposure, outcome, reason, supersedes }, { kind: "reason", exposure: turn.exposure });
    redraw(turn.exposure, (shown) => { shown.vote = { id, outcome, reason }; });
  },
  reveal: (turn) => attempt(async () => {
    const answer = await post(`/api/pairs/${turn.exposure}/reveal`);
    redraw(turn.exposure, (shown) => { shown.reveal = answer; });
    announce(t("revealed", answer));
    message.focus();
  }),
  retry: (turn) => attempt(async () => {
    const view = state.views.find((other) => other.turn.id === turn.id);
    const sides = turn.answers.length ? turn.answers.map(({ side }) => side) : wantedSides();
    view.show({ ...turn, state: "running", votable: false, answers: sides.map((side) => ({ side, text: "" })) });
    drawComposer();
    await follow(view, (onEvent) => postStream(`${turnPath(turn)}/retry`, { answers: sides.length }, newKey(), onEvent));
  }),
};

function redraw(exposure, change) {
  const view = state.views.find((other) => other.turn.exposure === exposure);
  if (!view) return;
  change(view.turn);
  view.show(view.turn);
  drawComposer();
}

const focusIn = (exposure, selector) =>
  state.views.find((view) => view.turn.exposure === exposure)?.node.querySelector(selector)?.focus();

function settled(item, answer, error) {
  const { kind, exposure } = item.about;
  if (error?.passing) {
    redraw(exposure, (turn) => { if (turn.vote) turn.vote.waiting = true; });
    return;
  }
  if (error) {
    if (kind === "vote") redraw(exposure, (turn) => { turn.vote = null; });
    failed(error);
    return;
  }
  redraw(exposure, (turn) => { if (turn.vote) turn.vote.waiting = false; });
  if (kind === "vote") {
    announce(t("vote_saved", { vote: t(`vote_${item.body.outcome}`) }));
  } else {
    announce(t(kind === "undo" ? "undone" : "reason_saved"));
  }
}

// Keys, menus, start -------------------------------------------------------------------------------------------------

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || byId("view-chat").hidden) return;
  if (byId("keys").open || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  const pair = [...state.views].reverse().find((view) => view.turn.votable)?.turn;
  const outcome = Object.keys(keyOf).find((name) => keyOf[name] === event.key);
  if (event.key === "?") byId("keys").showModal();
  else if (event.key === "n") fresh();
  else if (event.key === "u" && pair?.vote && !pair.reveal) actions.undo(pair);
  else if (event.key === "m" && pair?.vote && !pair.reveal) actions.reveal(pair);
  else if (outcome !== undefined && pair && !pair.vote) {
    actions.vote(pair, /^-?\d$/.test(outcome) ? Number(outcome) : outcome);
  } else return;
  event.preventDefault();
}

function wire() {
  byId("composer").addEventListener("submit", (event) => { event.preventDefault(); attempt(sendMessage); });
  message.addEventListener("keydown", (event) => {
    const typingOnGlass = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !typingOnGlass) {
      event.preventDefault();
      attempt(sendMessage);
    }
  });
  message.value = localStorage.getItem("afina.draft") ?? "";
  message.addEventListener("input", () => localStorage.setItem("afina.draft", message.value));
  byId("new-chat").addEventListener("click", fresh);
  byId("toggle-list").addEventListener("click", () => {
    const open = byId("list").classList.toggle("open");
    byId("toggle-list").setAttribute("aria-expanded", String(open));
  });
  byId("open-keys").addEventListener("click", () => byId("keys").showModal());
  byId("leave").addEventListener("click", () => attempt(async () => {
    if (!confirm(t("leave_sure"))) return;
    await post("/api/session/end");
    forget();
    localStorage.removeItem("afina.draft");
    location.assign("/");
  }));
  document.addEventListener("keydown", onKey);
  startConsent(() => attempt(enter), failed);
}

async function enter() {
  show("chat");
  startOutbox(settled);
  await loadList();
  const wanted = location.hash.slice(1);
  const known = state.conversations.find((conversation) => conversation.id === wanted) ?? state.conversations[0];
  if (known) await open(known.id);
  else fresh();
}

async function start() {
  const session = await get("/api/session");
  if (session.active) return enter();
  show("consent");
  await showConsent();
}

wire();
await startLanguageMenu(() => attempt(async () => {
  fillKeys();
  if (!byId("view-consent").hidden) await showConsent();
  for (const view of state.views) view.show(view.turn);
  if (!byId("view-chat").hidden) drawTurns();
}));
fillKeys();
await attempt(start);
