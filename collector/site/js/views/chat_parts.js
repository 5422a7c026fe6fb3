// SPDX-License-Identifier: Apache-2.0
// The list of conversations and the box to write in.
import {element} from "../dom.js";
import {t} from "../i18n.js";
import {characters, room} from "../room.js";
import {owner} from "../session.js";
import {attempt, button} from "../ui.js";

const kMostCharacters = 8000;  // as the server counts them

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
                                      { "aria-current": conversation.id === chat.current ? "true" : null, dir: "auto" }))));
    },
  };
}

export function composer(chat) {
  const hint = element("p", { class: "muted small", id: "composer-hint", hidden: true }, t("vote_first_hint"));
  const message = element("textarea",
    { id: "message", rows: "2", dir: "auto", placeholder: t("message_placeholder"), "aria-label": t("message_label") });
  const left = room(message, kMostCharacters, characters);
  const draft = `afina.draft.message.${owner()}`;  // nobody else on this device finds it in the box
  const put = (text) => {
    message.value = text;
    left.look();
  };
  const send = element("button", { type: "submit", class: "primary", id: "send" }, t("send"));
  const node = element("form", { class: "composer", id: "composer" }, hint, message, left.node,
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
  put(localStorage.getItem(draft) ?? "");
  message.addEventListener("input", () => localStorage.setItem(draft, message.value));
  return {
    node,
    message,
    send,
    room: left,
    put,
    /** These words are the server's now; what was written after them stays. */
    forget: (text) => {
      if (localStorage.getItem(draft)?.trim() === text) localStorage.removeItem(draft);
    },
    keep: (text) => {
      put(text);
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
