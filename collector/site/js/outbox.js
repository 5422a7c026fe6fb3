// SPDX-License-Identifier: Apache-2.0
// Votes, undos and reasons wait here until the server has committed them: kept across reloads, sent in order, always
// with the key they were made with, so that a lost reply never makes a second vote.
import { ApiError, newKey, post } from "./api.js";

const store = "afina.outbox";
const read = () => JSON.parse(localStorage.getItem(store) ?? "[]");
const write = (items) => localStorage.setItem(store, JSON.stringify(items));
let running = null;
let onSettled = () => {};

/** settled(item, answer | null, error | null) runs when an item was accepted, refused, or has to wait (error.passing). */
export function startOutbox(settled) {
  onSettled = settled;
  window.addEventListener("online", () => flush());
  flush();
}

/** Returns the act's key, which is the id of the row it makes. */
export function enqueue(path, body, about) {
  const item = { key: newKey(), path, body, about };
  write([...read(), item]);
  queueMicrotask(flush);
  return item.key;
}

export const waiting = () => read();
export const forget = () => localStorage.removeItem(store);

export function flush() {
  running ??= drain().finally(() => { running = null; });
  return running;
}

async function drain() {
  for (let item = read()[0]; item; item = read()[0]) {
    try {
      const answer = await post(item.path, item.body, item.key);
      write(read().filter((other) => other.key !== item.key));
      onSettled(item, answer, null);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.passing) write(read().filter((other) => other.key !== item.key));
      onSettled(item, null, error);
      if (error.passing) {
        setTimeout(flush, 3000);
        return;
      }
    }
  }
}
