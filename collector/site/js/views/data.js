// SPDX-License-Identifier: Apache-2.0
// For engineers: projects and their items, import of files, export.
import {get, post, query, upload} from "../api.js";
import {announce, element} from "../dom.js";
import {names, t, when, wordOf} from "../i18n.js";
import {mayWrite} from "../session.js";
import {attempt, button, check, field, form, select, sure, table} from "../ui.js";

import {imported} from "./import_result.js";
import {changeForm, itemsForm, projectForm} from "./project_form.js";

const formats = {
  text: "text/plain",
  markdown: "text/plain",
  qa: "application/jsonl",
  jsonl: "application/jsonl",
  argilla: "application/json",
  label_studio: "application/json",
  open_assistant: "application/jsonl",
  lmsys: "application/jsonl",
  sharegpt: "application/json"
};
const kinds = ["judgements", "dpo", "sft", "kto", "rankings", "conversations", "submissions", "notes", "scores"];

export async function open(root) {
  const imports = element("div");
  const { projects } = await get("/api/projects");
  const again = () => attempt(async () => {
    root.replaceChildren();
    await open(root);
  });
  const fold = (id, title, ...parts) => element("details", { class: "block", id }, element("summary", {}, t(title)), ...parts);
  root.append(element("section", { class: "page broad" }, element("h1", {}, t("nav_data")), projectTable(projects),
    mayWrite() ? fold("project-new", "project_new", projectForm(again)) : null,
    mayWrite() && projects.length ? fold("project-change", "project_change", changeForm(projects)) : null,
    mayWrite() && projects.length ? fold("items-add", "items_add", itemsForm(projects)) : null,
    element("h2", {}, t("import")), mayWrite() ? importForm(projects) : null, imports, element("h2", {}, t("export")),
    exportForm(projects)));
  await attempt(async () => imports.append(await importTable()));
}

function projectTable(projects) {
  const states = ["open", "paused", "finished"].map((state) => [state, t(`project_${state}`)]);
  // On a closed list the arrow keys choose at once: nothing happens before the person says so.
  const ask = (project, box) => sure(
    t("project_state_sure", { name: project.name, state: t(`project_${project.state}`), wanted: t(`project_${box.value}`) }),
    async () => {
      box.focus();
      try {
        project.state = (await post(`/api/projects/${project.id}`, { state: box.value })).state;
        announce(t("saved"));
      } finally {
        box.value = project.state;
      }
    }, () => {
      box.value = project.state;
      box.focus();
    });
  const change = (project) => select(states, project.state,
    { "aria-label": `${t("state")}: ${project.name}`, onchange: ({ target }) => ask(project, target) });
  return table(t("projects"), [t("name"), t("kind"), t("language"), t("items"), t("items_done"), t("state")],
    projects.map((one) => [one.name, t(`kind_${one.kind}`), names[one.locale] ?? (one.locale || "—"), one.items, one.done,
                   mayWrite() ? change(one) : t(`project_${one.state}`)]),
    t("tasks_none"));
}

function importForm(projects) {
  const format = select(Object.keys(formats).map((name) => [name, t(`format_${name}`)]), "jsonl");
  const project = select([["", t("no_project")], ...projects.map(({ id, name }) => [id, name])]);
  const file = element("input", { type: "file", required: true });
  const words = (name, maxlength) => element("input", { type: "text", name, required: true, maxlength });
  const source = words("source", "100"), licence = words("licence", "100"), declaration = words("declaration", "1000");
  const publish = check(t("import_publish"));
  const result = element("div", { id: "import-result" });
  const send = form(t("import_send"), async (node) => {
    const [chosen] = file.files;
    const done = await upload(`/api/imports${query({
      format: format.value,
      project: project.value,
      name: source.value.trim(),
      licence: licence.value.trim(),
      declaration: declaration.value.trim(),
      purposes: publish.querySelector("input").checked ? "train,review,publish" : "train,review"
    })}`,
      chosen, formats[format.value]);
    node.reset();
    result.replaceChildren(...imported(done));
  }, element("div", { class: "filters" }, field(t("file"), file, t("file_help")), field(t("file_format"), format),
      field(t("project"), project), field(t("import_source"), source, t("import_source_help")),
      field(t("licence"), licence, t("licence_help")), field(t("declaration"), declaration, t("declaration_help"))), publish);
  send.id = "import-form";
  return element("div", {}, send, result);
}

async function importTable() {
  const { imports } = await get("/api/imports");
  return imports.length ? table(t("imports"), [t("name"), t("file_format"), t("when"), t("conversations"), t("judgements")],
                            imports.map((one) => [one.name || "—", wordOf("format_", one.format), when(one.created_at ?? one.at),
                                          one.conversations ?? "—", one.judgements ?? "—"])) :
                          "";
}

function exportForm(projects) {
  const kind = select(kinds.map((name) => [name, t(`export_${name}`)]), "", { id: "export-kind" }),
        format = select([["jsonl", "JSONL"], ["parquet", "Parquet"]]);
  const locale = select([["", t("all_languages")], ...Object.entries(names)]),
        project = select([["", t("all_projects")], ...projects.map(({ id, name }) => [id, name])]);
  const since = element("input", { type: "date" });
  const start = button(t("export_send"), () => {
    const path = `/api/exports/${kind.value}.${format.value}${
      query({ locale: locale.value, project: project.value, since: since.value ? `${since.value}T00:00:00Z` : "" })}`;
    element("a", { href: path, download: `afina-${kind.value}.${format.value}` }).click();
  }, { class: "primary", id: "export-start" });
  return element("div", { class: "block" },
    element("div", { class: "filters" }, field(t("what"), kind), field(t("file_format"), format), field(t("language"), locale),
      field(t("project"), project), field(t("since"), since)),
    element("p", { class: "muted small" }, t("export_help")), start);
}
