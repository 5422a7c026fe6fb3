// SPDX-License-Identifier: Apache-2.0
// A task's draft: on this device at once, on the server within a second, with a revision, so that two windows never
// overwrite each other unseen.
import {ApiError, post} from "../api.js";
import {t} from "../i18n.js";
import {button} from "../ui.js";

const kPauseMs = 800;

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
    localStorage.setItem(this.store, JSON.stringify({ rev: this.rev, body: this.judgement.value }));
    this.dirty = true;
    this.say("draft_saving");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), kPauseMs);
  }

  async save() {
    clearTimeout(this.timer);
    if (!this.dirty || this.stopped || this.busy) return;
    this.busy = true;
    this.dirty = false;
    try {
      this.rev = (await post(this.path, { rev: this.rev, body: this.judgement.value })).rev;
      if (!this.dirty) {
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
    const use = (theirs) => () => {
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
    this.sign.replaceChildren();
    delete this.sign.dataset.state;
    localStorage.removeItem(this.store);
  }
}
