// SPDX-License-Identifier: Apache-2.0
// A task's draft: on this device at once, on the server within a second, with a revision, so that two windows never
// overwrite each other unseen.
import {ApiError, post} from "../api.js";
import {t} from "../i18n.js";
import {button} from "../ui.js";

const kPauseMs = 800;

/** The same text for the same values; the server keeps no order of names. */
const canonical = (value) => JSON.stringify(value, (name, part) =>
  (part?.constructor === Object ? Object.fromEntries(Object.entries(part).sort()) : part));

export class Draft {
  /** sign: where the state is shown. */
  constructor(task, judgement, sign) {
    this.path = `/api/assignments/${task.assignment}/draft`;
    this.store = `afina.task.${task.assignment}`;
    this.judgement = judgement;
    this.sign = sign;
    this.rev = task.draft?.rev ?? 0;
    // What this device kept is newer only where the server never took it.
    const kept = JSON.parse(localStorage.getItem(this.store) ?? "null");
    if (kept && kept.rev >= this.rev) {
      judgement.value = kept.body;
      this.touch();
    } else if (kept && canonical(kept.body) !== canonical(task.draft?.body)) {
      judgement.value = kept.body;
      this.stale(task);
    } else if (task.draft) {
      judgement.value = task.draft.body;
      this.say("draft_restored");
    }
  }

  say(key) {
    this.sign.textContent = t(key);
    this.sign.dataset.state = key;
  }

  touch() {
    this.keep();
    if (this.choosing) return;  // between this and another window's: nothing is sent before
    this.dirty = true;
    this.say("draft_saving");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), kPauseMs);
  }

  /** On this device, as a continuation of the newest revision that it knows of, or of none that was chosen yet. */
  keep(body = this.judgement.value) {
    this.body = body;
    localStorage.setItem(this.store, JSON.stringify({ rev: this.choosing ? -1 : this.rev, body }));
  }

  async save() {
    clearTimeout(this.timer);
    if (!this.dirty || this.stopped || this.busy) return;
    this.busy = true;
    this.dirty = false;
    try {
      this.rev = (await post(this.path, { rev: this.rev, body: this.judgement.value })).rev;
      if (this.forgotten) return;
      if (this.dirty) {
        // Written while this was on its way, and perhaps left since: what is here goes on from what is there.
        this.keep(this.body);
      } else {
        localStorage.removeItem(this.store);
        this.say("draft_saved");
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "draft_stale")
        this.stale(error.answer);
      else {
        this.dirty = true;
        this.say("draft_local");
        if (error.passing && !this.stopped) this.timer = setTimeout(() => this.save(), 4 * kPauseMs);
      }
    } finally {
      this.busy = false;
      if (this.dirty && !this.stopped && this.sign.dataset.state === "draft_saving")
        this.timer = setTimeout(() => this.save(), kPauseMs);
    }
  }

  /** Another window was faster: the person chooses. */
  stale(answer) {
    const stored = answer?.draft ?? {};
    this.say("draft_stale");
    this.rev = stored.rev ?? this.rev;
    this.choosing = true;
    const use = (theirs) => () => {
      this.choosing = false;
      if (theirs && stored.body) this.judgement.value = stored.body;
      this.touch();
    };
    this.sign.append(" ", button(t("draft_take_theirs"), use(true), { class: "link" }), " ",
      button(t("draft_keep_mine"), use(false), { class: "link" }));
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
  /** What was to be handed in was refused: it is being written again. */
  goOn() {
    this.stopped = false;
    this.touch();
  }
  forget() {
    this.stop();
    this.forgotten = true;
    this.sign.replaceChildren();
    delete this.sign.dataset.state;
    localStorage.removeItem(this.store);
  }
}
