// SPDX-License-Identifier: Apache-2.0
// The list of conversations and the box to write in.
import {element} from "../dom.js";
import {t} from "../i18n.js";
import {attempt, button} from "../ui.js";

const draft = "afina.draft";

export function sidebar(chat) {
  const list = element("ul", { id: "conversations" });
  const none = element("p", { class: "muted small", hidden: true }, t("no_conversations"));
  const toggle = button(t("chats"), () => setOpen(!node.classList.contains("open")),
    { class: "only-narrow", "aria-expanded": "false", "aria-controls": "list" });
  const node = element("nav", { class: "list", id: "list", "aria-label": t("chats") },
    element("div", { class: "row" }, toggle, button(t("new_chat"), () => chat.fresh(), { class: "wide", id: "new-chat" })), list,
    none);
  const setOpen = (open) => {
    node.classList.toggle("open", open);
    toggle.setAttribute("aria-expanded", String(open));
  };
  return {
    node,
    close: () => setOpen(false),
    draw: () => {
      none.hidden = chat.conversations.length > 0;
      list.replaceChildren(
        ...chat.conversations.map((conversation) => element("li", {},
                                    button(conversation.title || t("new_chat"), () => chat.open(conversation.id),
                                      { "aria-current": conversation.id === chat.current ? "true" : null }))));
    },
  };
}

export function composer(chat) {
  const hint = element("p", { class: "muted small", id: "composer-hint", hidden: true }, t("vote_first_hint"));
  const message = element("textarea",
    { id: "message", rows: "2", maxlength: "8000", placeholder: t("message_placeholder"), "aria-label": t("message_label") });
  const send = element("button", { type: "submit", class: "primary", id: "send" }, t("send"));
  const node = element("form", { class: "composer", id: "composer" }, hint, message,
    element("div", { class: "row" },
      element("label", { class: "check" }, element("input", { type: "checkbox", id: "two", checked: true }),
        element("span", {}, t("two_answers"))),
      element("span", { class: "grow" }), send));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => chat.send());
  });
  message.addEventListener("keydown", (event) => {
    const onGlass = matchMedia("(pointer: coarse)").matches;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || onGlass) return;
    event.preventDefault();
    attempt(() => chat.send());
  });
  message.value = localStorage.getItem(draft) ?? "";
  message.addEventListener("input", () => localStorage.setItem(draft, message.value));
  return {
    node,
    message,
    send,
    clear: () => {
      message.value = "";
      localStorage.removeItem(draft);
    },
    keep: (text) => {
      message.value = text;
      localStorage.setItem(draft, text);
    },
    /** A small screen belongs to the two answers and the vote. */
    rest: (running, unvoted) => {
      hint.hidden = !unvoted;
      send.disabled = running || unvoted;
      node.classList.toggle("resting", unvoted);
    },
  };
}
