// SPDX-License-Identifier: Apache-2.0
// The page without a network. This worker keeps the page's own files and nothing else: what people and models wrote never
// passes through it. The server writes two lines above this text: `files`, each address with the hash of its content,
// and `version`, the hash of them all.
/* global files, version */
const store = `afina-${version}`;
const kPatienceMs = 5000;

async function hashOf(body) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** All files or none: one that is not what this version knows would make a page of two versions. */
async function fill() {
  const cache = await caches.open(store);
  for (const [path, hash] of Object.entries(files)) {
    const answer = await fetch(path, { cache: "no-cache", credentials: "omit" });
    if (!answer.ok || await hashOf(await answer.clone().arrayBuffer()) !== hash) throw new Error(`another version of ${path}`);
    await cache.put(path, answer);
  }
}

self.addEventListener("install", (event) => event.waitUntil(fill().then(() => self.skipWaiting())));

self.addEventListener("activate", (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) {
    if (name !== store) await caches.delete(name);
  }
  await self.clients.claim();
})()));

/** The network's file, so that nobody works with an old page; the kept one where the network fails or keeps silent, or the
    server has no hand free. */
async function answerTo(request, path) {
  const kept = () => caches.match(path, { cacheName: store });
  let timer = 0;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, kPatienceMs); });
  const asked = fetch(request);
  const first = await Promise.race([asked, late]).catch(() => null);
  clearTimeout(timer);
  if (first && first.status < 500 && first.status !== 429) return first;
  return await kept() ?? first ?? asked;
}

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== self.location.origin || !Object.hasOwn(files, pathname)) return;
  event.respondWith(answerTo(event.request, pathname));
});
