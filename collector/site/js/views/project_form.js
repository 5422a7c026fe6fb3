// SPDX-License-Identifier: Apache-2.0
// A new project with all its rules, and items for one: from a file, from conversations, from the trainer's queue.
import {ApiError, get, post} from "../api.js";
import {announce, element} from "../dom.js";
import {names, t} from "../i18n.js";
import {allAspects} from "../judge.js";
import {attempt, check, field, form, select} from "../ui.js";

const kinds = ["pairwise", "ranking", "rating", "rewrite", "flagging"];
const number = (value, min, max, step = 1) => element("input", { type: "number", value, min, max, step, required: true });

export function projectForm(again) {
  const name = element("input", { type: "text", required: true, maxlength: "120" });
  const kind = select(kinds.map((one) => [one, t(`kind_${one}`)]));
  const locale = select([["", t("all_languages")], ...Object.entries(names)]);
  const guidelines = element("textarea", { rows: "8", maxlength: "32000", required: true });
  const aspects = allAspects.map((one) => ({ one, label: check(t(`aspect_${one}`), { value: one }) }));
  const flags = check(t("project_flags"), { checked: true });
  const overlap = number(3, 1, 50), lease = number(20, 1, 1440), gold = number(0, 0, 50), goldPass = number(70, 0, 100),
        training = number(0, 0, 50), trainingPass = number(80, 0, 100), most = number(0, 0, 1000000);
  const skip = select(["requeue_for_others", "requeue_for_me", "drop"].map((one) => [one, t(`skip_policy_${one}`)]));
  return form(t("project_make"),
    async () => {
      await post("/api/projects", {
        name: name.value.trim(),
        kind: kind.value,
        ...(locale.value ? { locale: locale.value } : {}),
        guidelines: guidelines.value,
        aspects: aspects.filter(({ label }) => label.querySelector("input").checked).map(({ one }) => one),
        flags: flags.querySelector("input").checked,
        overlap: Number(overlap.value),
        lease_seconds: Number(lease.value) * 60,
        gold_rate: Number(gold.value) / 100,
        gold_pass: Number(goldPass.value) / 100,
        training_items: Number(training.value),
        training_pass: Number(trainingPass.value) / 100,
        skip: skip.value,
        max_per_annotator: Number(most.value),
      });
      announce(t("saved"));
      await again();
    },
    element("div", { class: "filters" }, field(t("name"), name), field(t("kind"), kind), field(t("language"), locale)),
    field(t("guidelines"), guidelines, t("guidelines_help")),
    element("fieldset", {}, element("legend", {}, t("aspects_title")),
      element("div", { class: "columns" }, aspects.map(({ label }) => label), flags)),
    element("div", { class: "filters" }, field(t("overlap"), overlap, t("overlap_help")), field(t("lease_minutes"), lease),
      field(t("max_per_annotator"), most, t("max_help")), field(t("skip_policy"), skip), field(t("gold_rate"), gold),
      field(t("gold_pass"), goldPass), field(t("training_items"), training), field(t("training_pass"), trainingPass)));
}

/** What may change while people work: the guidelines, as a new version, and how many people an item gets. */
export function changeForm(projects) {
  const project = select(projects.map(({ id, name }) => [id, name]));
  const guidelines = element("textarea", { rows: "8", maxlength: "32000", required: true }), overlap = number(3, 1, 50);
  let read = { guidelines: "", overlap: 0 };
  const load = () => attempt(async () => {
    const wanted = project.value;
    const found = await get(`/api/projects/${wanted}`);
    if (wanted !== project.value) return;
    read = found;
    guidelines.value = found.guidelines;
    overlap.value = found.overlap;
  });
  project.addEventListener("change", load);
  load();
  return form(t("save"), async () => {
    const body = {
      ...(guidelines.value === read.guidelines ? {} : { guidelines: guidelines.value }),
      ...(Number(overlap.value) === read.overlap ? {} : { overlap: Number(overlap.value) }),
    };
    if (Object.keys(body).length) read = await post(`/api/projects/${project.value}`, body);
    announce(t("saved"));
  }, element("div", { class: "filters" }, field(t("project"), project), field(t("overlap"), overlap, t("overlap_help"))),
    field(t("guidelines"), guidelines, t("guidelines_help")));
}

/** Lines of a JSONL file: {items, lines} with the number of the line each came from; a bad line is told by its number. */
function itemsOf(text) {
  const items = [], lines = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    try {
      items.push(JSON.parse(line));
    } catch {
      const error = new ApiError("bad_item", 400);
      error.message = t("bad_line", { line: index + 1 });
      throw error;
    }
    lines.push(index + 1);
  }
  return { items, lines };
}

/** Brings a file's items; what the server refuses is told by the file's line. */
async function sendFile(path, text) {
  const { items, lines } = itemsOf(text);
  try {
    return await post(path, { items });
  } catch (error) {
    const [, index, field] = /^items\[(\d+)\]\.?(.*)$/.exec(error.place ?? "") ?? [];
    if (lines[index]) error.message = `${t("line")} ${lines[index]}${field ? ` (${field})` : ""}: ${error.words}`;
    throw error;
  }
}

export function itemsForm(projects) {
  const project = select(projects.map(({ id, name }) => [id, name]));
  const source =
    select([["file", t("source_file")], ["conversations", t("source_conversations")], ["review", t("source_review")]]);
  const file = element("input", { type: "file" }), limit = number(100, 1, 10000);
  const fileField = field(t("file"), file, t("items_help")), limitField = field(t("limit"), limit);
  const draw = () => {
    fileField.hidden = source.value !== "file";
    limitField.hidden = source.value === "file";
  };
  source.addEventListener("change", draw);
  draw();
  const result = element("p", { role: "status", class: "done", hidden: true });
  return form(t("items_send"), async () => {
    const path = `/api/projects/${project.value}/items`;
    if (source.value === "file" && !file.files.length) return file.focus();
    const done = source.value === "file" ? await sendFile(path, await file.files[0].text()) :
                                           await post(`${path}/from`, { source: source.value, limit: Number(limit.value) });
    result.hidden = false;
    result.textContent = t("items_added", { added: done.added, existing: done.existing ?? 0 });
  }, element("div", { class: "filters" }, field(t("project"), project), field(t("what"), source), fileField, limitField), result);
}
