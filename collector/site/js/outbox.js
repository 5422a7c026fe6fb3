// SPDX-License-Identifier: Apache-2.0
// Votes, undos and submissions wait here until the server has committed them: kept across reloads, sent in order, always
// with the key they were made with, so that a lost reply never makes a second vote.
import { ApiError, newKey, post } from "./api.js";
import { all, clear, put, remove } from "./idb.js";
import { owner } from "./session.js";

const kRetryMs = 3000;
const listeners = new Set();
let items = [];  // what this page knows to be waiting
let running = null, timer = 0;

/** listener(item, answer | null, error | null) runs when an item was accepted, refused, or has to wait (error.passing). */
export function onSettled(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const tell = (item, answer, error) => {
  for (const listener of listeners) listener(item, answer, error);
  showWaiting();
};

export async function startOutbox() {
  items = await all();
  showWaiting();
  window.addEventListener("online", () => flush());
  flush();
}

/** Returns the act's key, which is the id of the row it makes. */
export function enqueue(path, body, about) {
  const item = { key: newKey(), path, body, about, owner: owner() };
  items.push(item);
  put(item).finally(flush);
  return item.key;
}

/** As enqueue; the answer, or the ApiError of a refusal. Rejects with a passing error while the act waits its turn. */
export function deliver(path, body, about) {
  return new Promise((resolve, reject) => {
    let key = "";
    const stop = onSettled((item, answer, error) => {
      if (item.key !== key) return;
      stop();
      if (error) reject(error);
      else resolve(answer);
    });
    key = enqueue(path, body, about);
  });
}

export const waiting = () => items.filter((item) => item.owner === owner());
export async function forget() {
  items = [];
  await clear();
}

function showWaiting() {
  const count = waiting().length;
  window.dispatchEvent(new CustomEvent("afina:waiting", { detail: count }));
}

export function flush() {
  // One tab sends at a time, so that the order holds.
  const locked = () => (navigator.locks ? navigator.locks.request("afina.outbox", drain) : drain());
  running ??= locked().finally(() => { running = null; });
  return running;
}

async function drain() {
  clearTimeout(timer);
  for (;;) {
    const stored = await all();
    const item = stored.find((one) => one.owner === owner());
    if (!item) {
      items = stored;
      showWaiting();
      return;
    }
    try {
      const answer = await post(item.path, item.body, item.key);
      await settle(item);
      tell(item, answer, null);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.passing) await settle(item);
      tell(item, null, error);
      if (error.passing) {
        timer = setTimeout(flush, kRetryMs);
        return;
      }
    }
  }
}

async function settle(item) {
  await remove(item.n);
  items = items.filter((other) => other.key !== item.key);
}
