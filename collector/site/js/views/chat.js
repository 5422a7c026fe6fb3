// SPDX-License-Identifier: Apache-2.0
// Conversations: a list, the turns of one, and the box to write in. The server holds the state; a reload finds
// everything again.
import {get, getStream, newKey, post, postStream} from "../api.js";
import {announce, byId, element, notice} from "../dom.js";
import {shownLocale, t} from "../i18n.js";
import {getOrKept, keep} from "../kept.js";
import {setKeys} from "../keys.js";
import {deliver, enqueue, onSettled, sent, waiting} from "../outbox.js";
import {rename} from "../router.js";
import {attempt, button, sure} from "../ui.js";
import {dropDraft, keepDraft, written} from "../vote_drafts.js";

import {composer, sidebar} from "./chat_parts.js";
import {follow} from "./chat_stream.js";
import {TurnView, voteOf} from "./turn.js";

export function open(root, [wanted]) { return new Chat(root).start(wanted); }

class Chat {
  constructor(root) {
    this.root = root;  // out of the page once another view was opened
    this.conversations = [];
    this.current = this.conversation = null;
    this.opening = 0;  // of several conversations wanted one after another, the last is opened
    this.views = [];
    this.leaving = new AbortController();
    this.side = sidebar(this);
    this.turns = element("div", { class: "turns", id: "turns" });
    this.empty = element("div", { class: "empty", id: "empty", hidden: true });
    this.box = composer(this);
    root.append(element("h1", { class: "sr", tabindex: "-1" }, t("nav_chat")),
      element("div", { class: "chat", id: "view-chat" }, this.side.node,
        element("div", { class: "talk" }, this.turns, this.empty, this.box.node)));
  }

  async start(wanted) {
    const list = await getOrKept("conversations", "/api/conversations");
    this.conversations = list.conversations;
    this.next = list.next ?? "";
    const stopListening = onSettled((...what) => this.settled(...what));
    addEventListener("afina:reach", ({ detail: reached }) => reached && this.reached(), { signal: this.leaving.signal });
    const first = wanted || this.conversations[0]?.id;
    // One that is nobody's, or somebody else's, is a new one; older ones than the list's are there all the same.
    if (first)
      this.open(first, () => this.fresh()).then((opened) => opened || this.draw(), () => {});
    else if (this.root.isConnected)
      this.fresh();
    return () => {
      this.leaving.abort();
      stopListening();
      for (const view of this.views) view.close();
    };
  }

  fresh() {
    ++this.opening;
    this.current = this.conversation = null;
    this.views = [];
    rename(this.root, "chat");
    this.draw();
    this.side.close();
    this.box.message.focus({ preventScroll: true });
  }

  /** The next page of the list. */
  async older() {
    const list = await get("/api/conversations", { before: this.next });
    this.conversations.push(...list.conversations);
    this.next = list.next;
    this.side.draw();
  }

  /** The network is back: what was left half written, or refused for want of it, is as the server has it. */
  reached() {
    const half = this.views.at(-1)?.turn.state === "running" && !this.following;
    if (this.current && (half || this.unsure)) this.open(this.current);
  }

  /** Opens it, where nothing else is wanted by the time it comes. */
  open(id, otherwise = null) {
    const mine = ++this.opening;
    return attempt(async () => {
      const conversation = await getOrKept(`conversation/${id}`, `/api/conversations/${id}`).catch((error) => {
        if (mine === this.opening && (![400, 404].includes(error.status) || !otherwise)) throw error;
      });
      if (mine !== this.opening || !this.root.isConnected) return;
      if (!conversation) return otherwise();
      this.unsure = false;
      this.current = id;
      this.conversation = conversation;
      rename(this.root, "chat", id);
      this.views = conversation.turns.map((turn) => new TurnView(this.withWaiting(turn), this.actions));
      this.draw();
      this.side.close();
      const last = this.views.at(-1);
      if (last) requestAnimationFrame(() => last.node.scrollIntoView({ block: "start" }));
      if (last?.turn.state === "running")
        await this.follow(last, (onEvent) => getStream(`${this.path(last.turn)}/stream`, onEvent, this.leaving.signal), true);
    });
  }

  /** Lays what the outbox still holds over the server's state. */
  withWaiting(turn) {
    for (const item of waiting()) {
      if (item.about.kind === "note") {
        if (item.about.turn === turn.id) turn.note = { reason: item.body.reason, details: item.body, waiting: true };
        continue;
      }
      if (item.about.exposure !== turn.exposure) continue;
      turn.vote = item.about.kind === "undo" ? null : {...item.body, id: item.key, waiting: true };
    }
    return turn;
  }

  /** What this device can show without a network. An act that waits is kept by the outbox, and laid over it again. */
  remember() {
    if (!this.current) return;
    const turns = this.views.map(({ turn }) => (turn.vote?.waiting ? {...turn, vote: null } : turn));
    keep("conversations", { path: "/api/conversations", answer: { conversations: this.conversations } });
    keep(`conversation/${this.current}`, { path: `/api/conversations/${this.current}`, answer: {...this.conversation, turns } });
  }

  draw() {
    const last = this.views.at(-1);
    for (const view of this.views) {
      const latest = view === last;
      if (Boolean(view.turn.latest) === latest) continue;
      view.turn.latest = latest;
      view.show(view.turn);
    }
    this.turns.replaceChildren(...this.views.map((view) => view.node));
    this.empty.hidden = this.views.length > 0;
    this.empty.replaceChildren(element("h2", { class: "title" }, t("empty_title")), element("p", {}, t("empty_text")),
      element("div", { class: "starters" }, ["starter_1", "starter_2", "starter_3"].map((key) => button(t(key), () => {
        this.box.put(t(key));
        this.box.message.focus();
      }))));
    this.side.draw();
    this.drawComposer();
  }

  drawComposer() {
    const last = this.views.at(-1)?.turn;
    const unvoted = Boolean(last?.votable && !last.vote);
    const { activeElement: focused } = document;
    this.box.rest(last?.state === "running", unvoted);
    // What had the focus goes out of sight, or rests: whoever was there goes on with the answers.
    if (this.box.node.contains(focused) && (unvoted || focused.disabled)) this.focusOn(this.views.at(-1));
    this.wireKeys();
  }

  wireKeys() {
    const view = [...this.views].reverse().find((one) => one.turn.votable);
    const after = (name, run) => () => (view?.turn.vote && !view.turn.reveal && !view.editing ? run(view.turn) : false);
    setKeys([
      ...(view?.judgement?.keys() ?? this.views.at(-1)?.judgement?.keys() ?? []),
      { key: "u", text: t("key_undo"), run: after("u", (turn) => this.actions.undo(turn)) },
      { key: "m", text: t("key_reveal"), run: after("m", (turn) => this.actions.reveal(turn)) },
      { key: "n", text: t("key_new"), run: () => this.freshSurely() },
      { key: "Enter", text: t("key_send"), run: () => false },
    ], this.root);
  }

  /** A single key is soon pressed: who has written about answers is asked first. */
  freshSurely() {
    if (this.views.some((view) => written(view.judgement?.value))) sure(t("new_sure"), () => this.fresh());
    else this.fresh();
  }

  focusOn(view) { view.node.focus({ preventScroll: true }); }

  // Sending and streaming --------------------------------------------------------------------------------------------

  path(turn) { return `/api/conversations/${this.current}/turns/${turn.id}`; }
  sides() { return byId("two").checked ? ["a", "b"] : ["only"]; }

  async send() {
    const text = this.box.message.value.trim();
    if (!text || this.box.send.disabled) return;
    if (this.box.room.over) return this.box.message.focus();  // the line below it says by how much
    const mine = ++this.opening;  // it goes into what is seen
    if (!this.current) {
      const made = await post("/api/conversations", { locale: shownLocale() });
      if (mine !== this.opening || !this.root.isConnected) return;  // the words wait in the box
      this.current = made.id;
      this.conversation = { id: made.id };
      rename(this.root, "chat", made.id);
      this.conversations.unshift({ id: made.id, title: text.slice(0, 80) });
    }
    const sides = this.sides();
    const view =
      new TurnView({ text, state: "running", latest: true, answers: sides.map((side) => ({ side, text: "" })) }, this.actions);
    this.views.push(view);
    this.draw();
    this.box.put("");
    view.node.scrollIntoView({ block: "start" });
    const path = `/api/conversations/${this.current}/messages`, key = this.box.keyOf(this.current, text, sides.length);
    let taken = false;
    const onTaken = () => {
      taken = true;
      this.box.forget(text);
    };
    try {
      await this.follow(view,
        (onEvent) => postStream(path, { text, answers: sides.length }, key, onEvent, { signal: this.leaving.signal, taken: onTaken }));
    } catch (error) {
      if (!view.turn.id && !this.leaving.signal.aborted) {
        this.views = this.views.filter((other) => other !== view);
        if (!taken) this.box.keep(text);  // nothing written is lost
        this.unsure = taken;
        this.draw();
        // It is there, or another window was faster: the conversation as the server has it.
        if (taken || error.status === 409) await this.open(this.current);
      }
      throw error;
    }
  }

  async follow(view, stream, begun = false) {
    const { current } = this;
    this.following = view;
    try {
      await follow(view, stream, (turn) => `/api/conversations/${current}/turns/${turn.id}`, this.leaving.signal, begun);
    } finally {
      if (this.following === view) this.following = null;
    }
    if (this.leaving.signal.aborted) return;
    view.turn.latest = true;
    view.show(view.turn);
    view.readyAt = performance.now();
    announce(t(view.turn.votable ? "ready_pair" : "ready_single"));
    this.drawComposer();
    this.remember();
  }

  again(turn, verb) {
    return attempt(async () => {
      const view = this.views.find((other) => other.turn.id === turn.id);
      const sides = turn.answers.length ? turn.answers.map(({ side }) => side) : this.sides();
      const before = turn, key = newKey();
      let begun = false;
      view.show({...turn, state: "running", votable: false, exposure: null, answers: sides.map((side) => ({ side, text: "" })) });
      this.drawComposer();
      this.focusOn(view);  // the button that was pressed is gone
      try {
        await this.follow(view,
          (onEvent) => postStream(`${this.path(turn)}/${verb}`, { answers: sides.length }, key, (...event) => {
            begun = true;
            onEvent(...event);
          }, { signal: this.leaving.signal }));
        dropDraft(turn.exposure ?? turn.id);
      } catch (error) {
        if (!begun) {  // the answers that stand are shown again; whether the request arrived, the server knows
          view.show(before);
          this.unsure = error.passing;
        }
        this.drawComposer();
        throw error;
      }
    });
  }

  // What follows a pair ----------------------------------------------------------------------------------------------

  actions = {
    vote: (turn, body) => {
      const readyAt = this.views.find((view) => view.turn.exposure === turn.exposure)?.readyAt;
      const ms = readyAt ? Math.round(performance.now() - readyAt) : undefined;
      const id = enqueue("/api/votes", { exposure: turn.exposure, ...body, ...(ms === undefined ? {} : { ms_to_decide: ms }) },
        { kind: "vote", exposure: turn.exposure });
      dropDraft(turn.exposure);
      this.redraw(turn.exposure, (shown) => {
        shown.vote = {...body, id };
      });
      this.focusIn(turn.exposure, ".reveal");
    },
    undo:
      (turn) => {
        enqueue(`/api/votes/${turn.vote.id}/undo`, {}, { kind: "undo", exposure: turn.exposure });
        keepDraft(turn.exposure, voteOf(turn), { undone: true });
        this.redraw(turn.exposure, (shown) => {
          shown.vote = shown.details = null;
        });
        this.focusIn(turn.exposure, ".vote input:checked");
      },
    correct:
      (turn, body) => {
        const id = enqueue("/api/votes", { exposure: turn.exposure, ...body, supersedes: turn.vote.id },
          { kind: "correction", exposure: turn.exposure });
        dropDraft(turn.exposure);
        this.redraw(turn.exposure, (shown) => {
          shown.vote = {...body, id };
          shown.details = null;
        });
        this.focusIn(turn.exposure, ".reveal");
      },
    note:
      async (turn, body) => {
        let waits = false;
        try {
          await deliver(`/api/answers/${this.current}/${turn.id}/notes`, body, { kind: "note", turn: turn.id });
        } catch (error) {
          if (!error.passing) throw error;
          waits = true;  // the outbox sends it
        }
        dropDraft(turn.id);
        turn.note = { reason: body.reason, details: body, waiting: waits };
        this.showNote(turn);
        this.remember();
      },
    reveal: (turn) => attempt(async () => {
      await sent();  // who is quick asks before the vote has arrived
      const answer = await post(`/api/pairs/${turn.exposure}/reveal`);
      this.redraw(turn.exposure, (shown) => {
        shown.reveal = answer;
      });
      announce(t("revealed", answer));
      this.box.message.focus({ preventScroll: true });
    }),
    retry: (turn) => this.again(turn, "retry"),
    regenerate: (turn) => this.again(turn, "regenerate"),
  };

  /** The turn once more, with what became of the comment on it. */
  showNote(turn) {
    const view = this.views.find((other) => other.turn.id === turn.id);
    if (!view) return;
    view.noteSaved = !turn.note.waiting;
    view.close();
    view.show(turn);
    announce(t(view.noteSaved ? "note_saved" : "note_waiting"));
  }

  redraw(exposure, change) {
    const view = this.views.find((other) => other.turn.exposure === exposure);
    if (!view) return;
    change(view.turn);
    view.show(view.turn);
    this.drawComposer();
    this.remember();
  }

  /** Puts the focus on the first of these that is there. */
  focusIn(exposure, ...selectors) {
    const node = this.views.find((view) => view.turn.exposure === exposure)?.node;
    selectors.map((selector) => node?.querySelector(selector)).find(Boolean)?.focus();
  }

  /** A comment that had waited was sent, or refused. */
  noteSettled({ about }, error) {
    if (error) {
      attempt(() => {
        throw error;
      });
    }
    const turn = this.views.map((view) => view.turn).find(({ id }) => id === about.turn);
    if (!turn?.note?.waiting) return;
    turn.note = error ? null : {...turn.note, waiting: false };
    if (turn.note) this.showNote(turn);
    this.remember();
  }

  /** A vote, a change of one or an undo was not taken: the conversation as the server has it, why, and the words. */
  async refused({ kind, exposure }, error) {
    await attempt(() => {
      throw error;
    });
    const here = this.views.some(({ turn }) => turn.exposure === exposure);
    if (here && this.current && !this.leaving.signal.aborted) await this.open(this.current);
    if (this.leaving.signal.aborted) return;
    notice(t(kind === "undo" ? "undo_refused" : "vote_refused", { why: error.message }));
    if (here) this.focusIn(exposure, ".edit", ".words-drop", ".vote input");
  }

  settled(item, answer, error, alone) {
    const { kind, exposure } = item.about;
    if (kind === "note" && alone && !error?.passing) return this.noteSettled(item, error);
    if (!["vote", "correction", "undo"].includes(kind)) return;
    const mark = (waits) => {
      const view = this.views.find((other) => other.turn.exposure === exposure);
      if (!view?.turn.vote || Boolean(view.turn.vote.waiting) === waits) return;
      const focused = view.node.contains(document.activeElement) ? document.activeElement.className : "";
      this.redraw(exposure, (turn) => {
        turn.vote.waiting = waits;
      });
      if (focused) this.focusIn(exposure, `.${focused.trim().split(/\s+/).join(".")}`);
    };
    if (error?.passing) return mark(true);
    if (error) return this.refused(item.about, error);
    mark(false);
    announce(kind === "undo" ? t("undone") : t("vote_saved", { vote: t(`vote_${item.body.outcome}`) }));
  }
}
