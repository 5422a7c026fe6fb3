// SPDX-License-Identifier: Apache-2.0
// Calls to the collector. Every write carries an idempotency key, so that repeating it is always safe, and the token
// that tells this page from others.
import { hasWord, t } from "./i18n.js";

/** Of a message "[body] items[0].answers must be …" the place, "items[0].answers"; the server's other words stay out. */
const kPlace = /^\[(?:body|query)\] ([a-z_]{1,40}(?:\[\d{1,6}\]|\.[a-z_]{1,40}){0,8}) must |^\[(items\[\d{1,6}\](?:\.[a-z_]{1,40})*)\] /;
const placed = ["bad_request", "bad_item", "too_long"];

export class ApiError extends Error {
  constructor(code, status, answer = null) {
    const words = t(hasWord(`error.${code}`) ? `error.${code}` : "error.unknown");
    const found = placed.includes(code) ? kPlace.exec(String(answer?.error?.message ?? "")) : null;
    const place = found?.[1] ?? found?.[2] ?? "";
    super(place ? `${words} (${place})` : words);
    this.code = code;
    this.status = status;
    this.answer = answer;
    this.words = words;
    /** The field that was at fault, as the API names it; "" where none is named. */
    this.place = place;
  }
  /** True where nobody answered for the collector: no network, or nothing behind a proxy. */
  get away() { return this.code === "offline" || [502, 503, 504].includes(this.status); }
  /** True where the same request may succeed later. */
  get passing() { return ["offline", "session_over"].includes(this.code) || this.status === 429 || this.status >= 500; }
}

let csrf = "";
export const setCsrf = (token) => { csrf = token; };

export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Told when the server is out of reach, and when it answers again. */
let reached = true;
function reach(now) {
  if (now === reached) return;
  reached = now;
  window.dispatchEvent(new CustomEvent("afina:reach", { detail: now }));
}

let ahead = 0;
/** The time by the server's clock, within a second: a device's own may be hours away from it. */
export const serverNow = () => Date.now() + ahead;
function learnTime(response) {
  const told = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(told)) ahead = told - Date.now();
}

async function send(method, path, body, { key, type = "application/json", signal } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = type;
  if (key) headers["Idempotency-Key"] = key;
  if (csrf && method !== "GET") headers["X-CSRF-Token"] = csrf;
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal, credentials: "same-origin", cache: "no-store" });
  } catch {
    if (!signal?.aborted) reach(false);
    throw new ApiError("offline", 0);
  }
  learnTime(response);
  if (response.ok) reach(true);
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new ApiError(answer?.error?.code ?? (response.status === 429 ? "rate_limited" : "unknown"), response.status, answer);
}

export const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
};
export async function get(path, values = {}) { return (await send("GET", path + query(values))).json(); }
export async function post(path, body = {}, key = newKey()) { return (await send("POST", path, JSON.stringify(body), { key })).json(); }
/** A file as the body. */
export async function upload(path, file, type) { return (await send("POST", path, file, { key: newKey(), type })).json(); }

/**
 * Posts and hands over each server-sent event as (name, data) until the stream ends. taken() runs when the server has
 * the body. The signal ends the reading alone: what somebody has sent arrives, whether or not they stay to watch.
 */
export async function postStream(path, body, key, onEvent, { signal, taken = () => {} }) {
  const response = await send("POST", path, JSON.stringify(body), { key });
  taken();
  await readEvents(response, onEvent, signal);
}
export async function getStream(path, onEvent, signal) {
  await readEvents(await send("GET", path, undefined, { signal }), onEvent, signal);
}

async function readEvents(response, onEvent, signal) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let rest = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch {
      throw new ApiError("offline", 0);
    }
    if (piece.done) return;
    rest += piece.value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) name = line.slice(7);
        else if (line.startsWith("data: ")) data.push(line.slice(6));
      }
      if (data.length) onEvent(name, JSON.parse(data.join("\n")));
    }
  }
}
