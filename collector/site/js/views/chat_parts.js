// SPDX-License-Identifier: Apache-2.0
// The list of conversations and the box to write in.
import {newKey} from "../api.js";
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
  const entry = (conversation) => element("li", {}, button(conversation.title || t("new_chat"), () => chat.open(conversation.id),
    { "aria-current": conversation.id === chat.current ? "true" : null, dir: "auto" }));
  const more = button(t("more"), () => attempt(() => chat.older()), { class: "wide", id: "older-chats", hidden: true });
  node.append(more);
  return {
    node,
    close: () => setOpen(false),
    draw: () => {
      none.hidden = chat.conversations.length > 0;
      more.hidden = !chat.next;
      list.replaceChildren(...chat.conversations.map(entry));
    },
  };
}

export function composer(chat) {
  const hint = element("p", { class: "muted small", id: "composer-hint", hidden: true }, t("vote_first_hint"));
  const message = element("textarea",
    { id: "message", rows: "2", dir: "auto", placeholder: t("message_placeholder"), "aria-label": t("message_label") });
  const left = room(message, kMostCharacters, characters);
  const draft = `afina.draft.message.${owner()}`;  // nobody else on this device finds it in the box
  const keyStore = `afina.draft.key.${owner()}`;
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
      localStorage.removeItem(keyStore);
      if (localStorage.getItem(draft)?.trim() === text) localStorage.removeItem(draft);
    },
    /** They were not taken: before what was written after them. */
    keep: (text) => {
      put([text, message.value].filter(Boolean).join("\n\n"));
      localStorage.setItem(draft, message.value);
    },
    /** The key of this message: the same as long as it was not taken, so that it is never stored and answered twice. */
    keyOf: (conversation, text, answers) => {
      const what = JSON.stringify([conversation, text, answers]);
      const before = JSON.parse(localStorage.getItem(keyStore) ?? "null");
      const key = before?.what === what ? before.key : newKey();
      localStorage.setItem(keyStore, JSON.stringify({ what, key }));
      return key;
    },
    /** A small screen belongs to the two answers and the vote. */
    rest: (running, unvoted) => {
      hint.hidden = !unvoted;
      send.disabled = running || unvoted;
      node.classList.toggle("resting", unvoted);
    },
  };
}
