// SPDX-License-Identifier: Apache-2.0
// For engineers: projects and their items, import of files, export.
import {get, post, query, upload} from "../api.js";
import {announce, element} from "../dom.js";
import {names, t, when} from "../i18n.js";
import {mayWrite} from "../session.js";
import {attempt, button, check, field, form, secret, select, table} from "../ui.js";

import {itemsForm, projectForm} from "./project_form.js";

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
const kinds = ["judgements", "dpo", "sft", "kto", "rankings", "conversations"];

export async function open(root) {
  const imports = element("div");
  const { projects } = await get("/api/projects");
  const again = () => attempt(async () => {
    root.replaceChildren();
    await open(root);
  });
  root.append(element("section", { class: "page broad" }, element("h1", {}, t("nav_data")), projectTable(projects, again),
    mayWrite() ?
      element("details", { class: "block", id: "project-new" }, element("summary", {}, t("project_new")), projectForm(again)) :
      null,
    mayWrite() && projects.length ?
      element("details", { class: "block" }, element("summary", {}, t("items_add")), itemsForm(projects)) :
      null,
    element("h2", {}, t("import")), mayWrite() ? importForm(projects) : null, imports, element("h2", {}, t("export")),
    exportForm(projects)));
  await attempt(async () => imports.append(await importTable()));
}

function projectTable(projects, again) {
  const change = (project) =>
    select(["open", "paused", "finished"].map((state) => [state, t(`project_${state}`)]), project.state, {
      "aria-label": `${t("state")}: ${project.name}`,
      onchange: (event) => attempt(async () => {
        await post(`/api/projects/${project.id}`, { state: event.target.value });
        announce(t("saved"));
        await again();
      }),
    });
  return table(t("projects"), [t("name"), t("kind"), t("language"), t("items"), t("items_done"), t("state")],
    projects.map((one) => [one.name, t(`kind_${one.kind}`), one.locale || "—", one.items, one.done,
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

/** What an import brought, what it passed over, and the code that takes it back, shown once. */
function imported(done) {
  const counts = { conversations: done.conversations, answers: done.answers, judgements: done.judgements };
  return [
    element("p", { class: "done", role: "status" }, t(done.repeated ? "import_repeated" : "import_done", counts)),
    done.receipt_code ? secret(t("import_receipt"), done.receipt_code) : "",
    done.skipped?.length ?
      table(t("import_skipped"), [t("line"), t("why")], done.skipped.map(({ line, why }) => [String(line), why])) :
      ""
  ];
}

async function importTable() {
  const { imports } = await get("/api/imports");
  return imports.length ? table(t("imports"), [t("name"), t("file_format"), t("when"), t("conversations"), t("judgements")],
                            imports.map((one) => [one.name || "—", one.format, when(one.created_at ?? one.at),
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
