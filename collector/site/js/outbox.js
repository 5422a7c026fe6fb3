// SPDX-License-Identifier: Apache-2.0
// Votes, undos and submissions wait here until the server has committed them: kept across reloads, sent in order, always
// with the key they were made with, so that a lost reply never makes a second vote.
import { ApiError, newKey, post } from "./api.js";
import { openTable } from "./idb.js";
import { forgetKept } from "./kept.js";
import { loadMe, me, owner } from "./session.js";

const kRetryMs = 3000;
const table = openTable("afina", "outbox", "n");
const listeners = new Set(), awaited = new Set();
let items = [];  // what this page knows to be waiting
let running = null, written = null, timer = 0;

/**
 * listener(item, answer | null, error | null, alone) runs when an item was accepted, refused, or has to wait
 * (error.passing); alone: nobody who made it is there any more to hear of it.
 */
export function onSettled(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const tell = (item, answer, error) => {
  const alone = !awaited.has(item.key);
  for (const listener of [...listeners]) listener(item, answer, error, alone);
  showWaiting();
};

export async function startOutbox() {
  items = await table.all();
  showWaiting();
  window.addEventListener("online", () => flush());
  flush();
}

/** Returns the act's key, which is the id of the row it makes. */
export function enqueue(path, body, about) {
  const item = { key: newKey(), path, body, about, owner: owner() };
  items.push(item);
  written = table.put(item).finally(flush);
  return item.key;
}

/** Resolves once what was put here has been sent, or has to wait for the network. */
export async function sent() {
  await written;
  await flush();
}

/** As enqueue; the answer, or the ApiError of a refusal. Rejects with a passing error while the act waits its turn. */
export function deliver(path, body, about) {
  return new Promise((resolve, reject) => {
    let key = "";
    const stop = onSettled((item, answer, error) => {
      if (item.key !== key) return;
      stop();
      awaited.delete(key);
      if (error) reject(error);
      else resolve(answer);
    });
    key = enqueue(path, body, about);
    awaited.add(key);
  });
}

export const waiting = () => items.filter((item) => item.owner === owner());
/** Somebody left or withdrew: nothing of theirs stays on this device. */
export async function forget() {
  items = [];
  await Promise.all([table.clear(), forgetKept()]);
  for (const name of Object.keys(localStorage)) if (/^afina\.(draft|task\.)/.test(name)) localStorage.removeItem(name);
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
    const stored = await table.all();
    const item = stored.find((one) => one.owner === owner());
    if (!item) {
      items = stored;
      showWaiting();
      return;
    }
    try {
      // Away at the start, this page knows who was here but has no right to act for them: it asks first.
      if (me.old) await loadMe();
      if (me.old) throw new ApiError("offline", 0);
      if (owner() !== item.owner) continue;
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
  await table.remove(item.n);
  items = items.filter((other) => other.key !== item.key);
}
