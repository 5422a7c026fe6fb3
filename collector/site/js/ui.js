// SPDX-License-Identifier: Apache-2.0
// The few controls every view is made of: labelled fields, forms that show their own failure, tables that scroll.
import { ApiError } from "./api.js";
import { announce, element, newId, notice } from "./dom.js";
import { format, t } from "./i18n.js";

/** Runs an action of the person and shows what went wrong. Returns whether it went well. */
export async function attempt(action) {
  notice("");
  try {
    await action();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (["consent_required", "consent_outdated", "login_required"].includes(error.code)) {
      window.dispatchEvent(new CustomEvent("afina:who", { detail: error.code }));
    }
    notice(error.message);
    return false;
  }
}

export const button = (label, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, label);

/** A label above its control, with a line of help. */
export function field(label, control, help = "") {
  control.id ||= newId("field");
  const note = help ? element("p", { class: "muted small help", id: `${control.id}-help` }, help) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return element("div", { class: "field" }, element("label", { for: control.id }, label), control, note);
}

export const check = (label, attributes = {}) =>
  element("label", { class: "check" }, element("input", { type: "checkbox", ...attributes }), element("span", {}, label));

/** options: [[value, text], …]. */
export const select = (options, chosen = "", attributes = {}) => element("select", attributes,
  options.map(([value, text]) => element("option", { value, selected: String(value) === String(chosen) }, text)));

/** A form that sends once: its button rests meanwhile, a refusal is shown beside it. */
export function form(submit, action, ...children) {
  const problem = element("p", { class: "problem refusal", role: "alert", hidden: true });
  const send = element("button", { type: "submit", class: "primary" }, submit);
  const node = element("form", {}, ...children, problem, element("p", { class: "row actions" }, send));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    send.disabled = true;
    try {
      await action(node);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      send.disabled = false;
    }
  });
  return node;
}

/** A table in a region that scrolls by itself; cells are texts or nodes, numbers stand right. */
export function table(caption, heads, rows, empty = t("nothing_yet")) {
  if (!rows.length) return element("div", {}, element("p", { class: "table-title" }, caption), element("p", { class: "nothing" }, empty));
  const cell = (value, index) => element(index ? "td" : "th", { class: typeof value === "number" ? "number" : null, scope: index ? null : "row" },
    typeof value === "number" ? format(value) : value);
  return element("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell))))));
}

/** A part of a page that can be drawn anew by itself. load(again) → nodes; the focus stays inside where it was. */
export async function living(load) {
  const node = element("div", { tabindex: "-1" });
  const again = async () => {
    const nodes = await load(again);
    const inside = node.contains(document.activeElement);
    node.replaceChildren(...nodes);
    if (inside) node.focus({ preventScroll: true });
  };
  await again();
  return { node, again };
}

/** The values of the boxes that are ticked. boxes: [check(…), …]; none of them is a problem, told as the server would. */
export function ticked(boxes, code) {
  const values = boxes.map((label) => label.querySelector("input")).filter((box) => box.checked).map((box) => box.value);
  if (!values.length) throw new ApiError(code, 400);
  return values;
}

/** A bar with its figure as text. */
export const progress = (label, done, all) => element("div", { class: "progress" },
  element("progress", { max: String(Math.max(all, 1)), value: String(done), "aria-label": label }),
  element("span", { class: "small" }, `${label} ${format(done)} / ${format(all)}`));

/** A secret that is shown once, with a button that copies it. */
export function secret(label, text) {
  const code = element("code", {}, text);
  const copy = button(t("copy"), async () => {
    getSelection().selectAllChildren(code);
    await navigator.clipboard?.writeText(text).catch(() => {});
    announce(t("copied"));
  });
  return element("div", { class: "code-box", role: "status" }, element("p", {}, label), element("p", {}, code), copy);
}

/** Asks before something that cannot be taken back; `otherwise` runs where the person thinks better of it. */
export function sure(text, doIt, otherwise = () => {}) {
  const dialog = element("dialog", { "aria-label": text }, element("p", {}, text),
    element("form", { method: "dialog", class: "row" }, element("button", { value: "" }, t("cancel")),
      element("button", { value: "yes", class: "danger" }, t("yes_do_it"))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "yes") attempt(doIt);
    else otherwise();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** "More" under a list that comes in pages. load(before) → {rows, next}. */
export async function pages(list, load, draw) {
  const { rows, next } = await load("");
  list.append(...rows.map(draw));
  const more = button(t("more"), () => attempt(async () => {
    const page = await load(more.dataset.next);
    list.append(...page.rows.map(draw));
    more.dataset.next = page.next ?? "";
    more.hidden = !page.next;
  }));
  more.dataset.next = next ?? "";
  more.hidden = !next;
  return more;
}
