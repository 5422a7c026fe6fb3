// SPDX-License-Identifier: Apache-2.0
// The projects one may work in, and the way to one: "#/tasks/ID" opens the work itself.
import {element} from "../dom.js";
import {names, t} from "../i18n.js";
import {getOrKept} from "../kept.js";
import {go} from "../router.js";
import {mayWrite} from "../session.js";
import {button, progress} from "../ui.js";

export async function open(root, [project]) {
  if (project) return (await import("./work.js")).open(root, project);
  const { projects } = await getOrKept("projects", "/api/projects");
  root.append(element("section", { class: "page" }, element("h1", {}, t("nav_tasks")),
    element("p", { class: "muted" }, t("tasks_text")),
    projects.length ? element("ul", { class: "cards", id: "projects" }, projects.map(card)) : element("p", { class: "nothing" }, t("tasks_none"))));
}

function card(project) {
  const state = project.state === "open" ? null : element("span", { class: "tag" }, t(`project_${project.state}`));
  const training = project.training && project.training.passed !== true ?
    element("p", { class: "small" }, t("training_needed", { needed: project.training.needed })) :
    null;
  return element("li", { class: "card" }, element("h2", {}, project.name, " ", state),
    element("p", { class: "muted small" }, t(`kind_${project.kind}`), project.locale ? ` · ${names[project.locale] ?? project.locale}` : ""),
    progress(t("items_done"), project.done, project.items),
    element("p", { class: "small" }, t("mine_done", { done: project.mine_done, pending: project.mine_pending })), training,
    mayWrite() && project.state === "open" ?
      button(t(project.mine_pending ? "work_go_on" : "work_begin"), () => go("tasks", project.id), { class: "primary" }) :
      null);
}
