// SPDX-License-Identifier: Apache-2.0
// How long a task stays reserved: prolonged while somebody works on it, asked about when nobody seems to.
import { ApiError, post, serverNow } from "../api.js";
import { announce } from "../dom.js";
import { t } from "../i18n.js";
import { button } from "../ui.js";

const kAskBeforeMs = 60_000, kTickMs = 1000, kShare = 0.5;

export class Lease {
  constructor(task, sign, lost) {
    this.path = `/api/assignments/${task.assignment}/heartbeat`;
    this.sign = sign;
    this.lost = lost;
    this.take(task.lease_until);
    this.active = false;
    this.onAct = () => { this.active = true; };
    for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, this.onAct);
    this.timer = setInterval(() => this.tick(), kTickMs);
    this.tick();
  }

  take(until) {
    this.until = Date.parse(until);
    this.length = Math.max(this.until - serverNow(), 2 * kTickMs);
    this.asked = false;
  }

  tick() {
    const left = this.until - serverNow();
    if (left <= 0) {
      this.stop();
      this.lost();
      return;
    }
    // Once half of it is over, a sign of life prolongs it.
    if (this.active && left < this.length * kShare) this.beat();
    if (left > kAskBeforeMs || this.length <= kAskBeforeMs) {
      this.write(t("lease_left", { minutes: Math.max(1, Math.round(left / 60_000)) }));
    } else if (!this.asked) {
      this.asked = true;
      announce(t("still_here"));
      this.sign.replaceChildren(button(t("still_here"), () => this.beat()));
      this.shown = "";
    }
  }

  write(text) {
    if (this.shown === text) return;
    this.shown = text;
    this.sign.textContent = text;
  }

  async beat() {
    this.active = false;
    try {
      const { lease_until: until } = await post(this.path, {});
      if (this.stopped) return;
      this.take(until);
      this.tick();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.passing && !this.stopped) {
        this.stop();
        this.lost(error.code);
      }
    }
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    for (const name of ["pointerdown", "keydown"]) document.removeEventListener(name, this.onAct);
  }
}
