// SPDX-License-Identifier: Apache-2.0
// Votes, undos and submissions wait here until the server has committed them: kept across reloads, sent in order, always
// with the key they were made with, so that a lost reply never makes a second vote.
import { ApiError, newKey, post } from "./api.js";
import { openTable } from "./idb.js";
import { forgetKept } from "./kept.js";
import { askMe, me, owner } from "./session.js";

const kRetryMs = 3000;
const table = openTable("afina", "outbox", "n");
const listeners = new Set(), awaited = new Set();
let items = [];  // what this page knows to be waiting
let running = null, written = null, timer = 0;
const unwritten = new Set();  // keys of acts that this device could not store: they wait in memory alone
const others = globalThis.BroadcastChannel ? new BroadcastChannel("afina.outbox") : null;

/**
 * listener(item, answer | null, error | null, alone) runs when an item was accepted, refused, or has to wait
 * (error.passing); alone: nobody who made it is there any more to hear of it.
 */
export function onSettled(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const hear = (item, answer, error) => {
  const alone = !awaited.has(item.key);
  for (const listener of [...listeners]) listener(item, answer, error, alone);
  showWaiting();
};
/** The tab that sends need not be the one where somebody waits for the answer. */
function tell(item, answer, error) {
  hear(item, answer, error);
  others?.postMessage({ item, answer, error: error && { code: error.code, status: error.status, answer: error.answer } });
}
function hearOthers({ data: { item, answer, error } }) {
  if (!items.some(({ key }) => key === item.key)) return;
  const told = error && new ApiError(error.code, error.status, error.answer);
  if (!told?.passing) items = items.filter(({ key }) => key !== item.key);
  hear(item, answer, told);
}

export async function startOutbox() {
  items = await stored();
  showWaiting();
  others?.addEventListener("message", hearOthers);
  window.addEventListener("online", () => flush());
  flush();
}

/** Returns the act's key, which is the id of the row it makes. */
export function enqueue(path, body, about) {
  const item = { key: newKey(), path, body, about, owner: owner(), account: Boolean(me.account) };
  items.push(item);
  written = table.put(item).catch(() => { unwritten.add(item.key); }).finally(flush);
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

async function stored() {
  const rows = await table.all().catch(() => []);
  return [...rows, ...items.filter(({ key }) => unwritten.has(key) && !rows.some((row) => row.key === key))];
}

async function drain() {
  clearTimeout(timer);
  let asked = "";  // the act after whose refusal the page asked who is here
  for (;;) {
    const all = await stored();
    const item = all.find((one) => one.owner === owner());
    if (!item) {
      items = all;
      showWaiting();
      return;
    }
    try {
      // Away at the start, this page knows who was here but has no right to act for them: it asks first.
      if (me.old) await askMe();
      if (me.old) throw new ApiError("offline", 0);
      if (owner() !== item.owner) continue;
      const answer = await post(item.path, item.body, item.key);
      await settle(item);
      tell(item, answer, null);
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) throw thrown;
      const error = asked === item.key ? thrown : await lookAgain(item, thrown);
      asked = item.key;
      if (!error) continue;
      if (!error.passing) await settle(item);
      tell(item, null, error);
      if (error.passing) {
        timer = setTimeout(flush, kRetryMs);
        return;
      }
    }
  }
}

/**
 * A session may have ended, or begun anew in another tab, since the act was made. null: try once more. An account's act
 * waits until they are here again; a visitor who is no longer known never comes back.
 */
async function lookAgain(item, error) {
  if (error.status !== 401 && error.code !== "cross_site") return error;
  try {
    await askMe();
  } catch (away) {
    return away;
  }
  if (owner() === item.owner) return null;
  return item.account ? new ApiError("session_over", 401) : error;
}

async function settle(item) {
  if (item.n !== undefined) await table.remove(item.n).catch(() => {});
  unwritten.delete(item.key);
  items = items.filter((other) => other.key !== item.key);
}
