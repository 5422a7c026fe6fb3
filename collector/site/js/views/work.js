// SPDX-License-Identifier: Apache-2.0
// One task after another: guidelines, the item, its form, draft, lease, skip, feedback. What was written is on the
// server within a second, and on this device before that.
import {ApiError, get, post, serverNow} from "../api.js";
import {announce, element, notice} from "../dom.js";
import {t} from "../i18n.js";
import {Judgement} from "../judge.js";
import {getOrKept, keep, kept} from "../kept.js";
import {setKeys} from "../keys.js";
import {render} from "../markdown.js";
import {deliver, waiting} from "../outbox.js";
import {go} from "../router.js";
import {shownIn} from "../screen.js";
import {attempt, button, form, progress} from "../ui.js";

import {Draft} from "./draft.js";
import {Lease} from "./lease.js";
import {answerCards, feedback, promptBox, skipDialog} from "./work_parts.js";

const kLeastLeaseMs = 5 * 60_000;  // of a task that was loaded ahead

export async function open(root, id) {
  const work = new Work(root, await getOrKept("project", `/api/projects/${id}`), id);
  await work.next();
  return () => work.leave();
}

class Work {
  constructor(root, project, id) {
    this.project = {...project, id };
    this.ahead = null;
    const guidelines = element("div", { class: "prose" });
    render(project.guidelines ?? "", guidelines);
    this.fold = element("details", { class: "guidelines", open: matchMedia("(min-width: 70rem)").matches },
      element("summary", {}, t("guidelines")), guidelines);
    this.bar = element("div", { class: "work-bar" });
    this.desk = element("div", { class: "desk", id: "desk" });
    root.append(element("section", { class: "work" },
      element("header", { class: "work-head" }, element("h1", {}, project.name),
        button(t("back_to_tasks"), () => go("tasks"), { class: "quiet" })),
      this.bar, element("div", { class: "work-columns" }, this.fold, this.desk)));
  }

  async drawBar() {
    const { projects } = await get("/api/projects");
    const mine = projects.find(({ id }) => id === this.project.id);
    if (mine)
      this.bar.replaceChildren(progress(t("items_done"), mine.done, mine.items),
        element("span", { class: "small muted" }, t("mine_done", { done: mine.mine_done, pending: mine.mine_pending })));
  }

  put() {
    this.lease?.stop();
    this.draft?.stop();
    this.judgement?.close();
    this.lease = this.draft = this.judgement = null;
    setKeys([]);
  }
  leave() {
    this.gone = true;
    this.draft?.save();
    this.put();
  }

  /** Whoever left while something was being sent gets no item that they would not see. */
  async next() {
    if (this.gone) return;
    this.put();
    const { task, reason } = await this.take();
    if (this.gone) return;
    this.drawBar().catch(() => {});
    if (!task) {
      const again = reason === "away" ? button(t("try_again"), () => attempt(() => this.next()), { class: "primary" }) : null;
      const head = element("h2", { tabindex: "-1" }, t(`none_${reason}`));
      this.desk.replaceChildren(element("div", { class: "empty" }, head,
        element("p", { class: "row centre" }, again, button(t("back_to_tasks"), () => go("tasks")))));
      head.focus({ preventScroll: true });
      return;
    }
    this.show(task);
    // The next item comes while this one is being read; a failure only costs the wait later.
    post(`/api/projects/${this.project.id}/next`, { ahead: true }).then((answer) => {
      this.ahead = answer.task && answer.task.assignment !== task.assignment ? answer.task : null;
    }, () => {});
  }

  /** The item at hand, the server's next one, or, away from it, the one this device was working on. */
  async take() {
    const { id } = this.project;
    // What was reserved long ago is asked for again, which prolongs it.
    const ready = Date.parse(this.ahead?.lease_until) > serverNow() + kLeastLeaseMs ? this.ahead : null;
    this.ahead = null;
    try {
      const answer = ready ? { task: ready } : await post(`/api/projects/${id}/next`, {});
      keep("task", { project: id, task: answer.task ?? null });
      return answer;
    } catch (error) {
      if (!error.away) throw error;
      const old = await kept("task");
      const sent = waiting().some(({ about }) => about.assignment === old?.task?.assignment);
      return old?.project === id && old.task && !sent ? { task: old.task } : { task: null, reason: "away" };
    }
  }

  show(task) {
    this.task = task;
    this.shownAt = performance.now();
    const cards = answerCards(task.answers);
    const saved = element("span", { class: "saved small", id: "saved" });
    const left = element("span", { class: "lease small", id: "lease" });
    this.judgement = new Judgement({
      kind: task.kind,
      answers: cards.parts,
      aspects: task.aspects,
      flags: task.flags,
      changed: () => this.draft.touch(),
    });
    const problem = () => send.querySelector(".refusal");
    const send = form(t("task_submit"), async () => {
      const { missing } = this.judgement;
      problem().textContent = missing;
      problem().hidden = !missing;
      if (!missing) await this.submit();
    }, this.judgement.node);
    send.classList.add("vote");
    send.querySelector(".actions")
      .append(button(t("skip"), () => this.skip(), { class: "quiet", id: "skip", "aria-keyshortcuts": "s" }),
        element("span", { class: "grow" }), saved, left);
    const head = element(
      "h2", { tabindex: "-1", class: "task-head" }, task.phase === "training" ? t("task_training") : t(`kind_${task.kind}`));
    this.desk.replaceChildren(head, promptBox(task.prompt), cards.node, send);
    this.shown = shownIn(cards.node);
    this.draft = new Draft(task, this.judgement, saved);
    this.lease = new Lease(task, left, (code) => this.lost(code));
    setKeys([...this.judgement.keys(), { key: "s", text: t("skip"), run: () => this.skip() }]);
    head.focus({ preventScroll: true });
    this.desk.scrollIntoView({ block: "nearest" });
  }

  async submit() {
    const { task, draft } = this;
    const body = {...this.judgement.value, ...this.shown, ms_to_decide: Math.round(performance.now() - this.shownAt) };
    draft.stop();
    try {
      const answer =
        await deliver(`/api/assignments/${task.assignment}/submit`, body, { kind: "submit", assignment: task.assignment });
      draft.forget();
      announce(t("submitted"));
      if (answer.feedback && !this.gone) {
        this.lease.stop();
        this.lease.write("");
        setKeys([]);
        return feedback(this.desk, answer.feedback, () => attempt(() => this.next()), task.answers.length > 1);
      }
      await this.next();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "already_submitted") draft.forget();
      if (["lease_lost", "already_submitted"].includes(error.code)) return this.lost(error.code);
      if (!error.passing) {
        if (!this.gone) draft.goOn();
        throw error;
      }
      // It waits in the outbox; work goes on where an item is at hand.
      await this.next();
      notice(t("submit_waiting"), true);
    }
  }

  skip() {
    skipDialog(async (reason) => {
      const { task, draft } = this;
      await post(`/api/assignments/${task.assignment}/skip`, { reason });
      draft.forget();
      announce(t("skipped"));
      await this.next();
    });
  }

  /** Handed in from another window, or somebody else may have it now: nothing more can be written here. */
  lost(code) {
    if (this.gone) return;
    const done = code === "already_submitted";
    this.draft?.stop();
    this.lease?.stop();
    this.ahead = null;
    setKeys([]);
    notice(t(done ? "error.already_submitted" : "error.lease_lost"));
    this.desk.querySelector(".lease")?.replaceChildren(done ? "" : t("lease_over"));
    this.desk.querySelector(".vote")?.setAttribute("inert", "");
    if (this.desk.querySelector("#go-on")) return;
    const next = button(t("next_task"), () => attempt(() => this.next()), { class: "primary", id: "go-on" });
    this.desk.append(element("p", { class: "row" }, next));
    next.focus();
  }
}
