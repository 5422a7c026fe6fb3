// SPDX-License-Identifier: Apache-2.0
// One table in the browser's database, kept across reloads. Where a browser refuses one (some private windows), the
// memory of this page serves, and `durable` tells.
const memory = new Map();
let next = 1;
export let durable = true;

const asked = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const opened = (async () => {
  try {
    const request = indexedDB.open("afina", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "n", autoIncrement: true });
    return await asked(request);
  } catch {
    durable = false;
    return null;
  }
})();

async function table(mode) {
  const database = await opened;
  return database?.transaction("outbox", mode, { durability: "strict" }).objectStore("outbox");
}

/** Resolves once the record is on disk. */
export async function put(record) {
  const store = await table("readwrite");
  if (!store) return memory.set(next, { ...record, n: next++ });
  store.add(record);
  return new Promise((resolve, reject) => {
    store.transaction.oncomplete = resolve;
    store.transaction.onabort = () => reject(store.transaction.error);
  });
}

export async function remove(n) {
  const store = await table("readwrite");
  return store ? asked(store.delete(n)) : memory.delete(n);
}

/** In the order they were put. */
export async function all() {
  const store = await table("readonly");
  return store ? asked(store.getAll()) : [...memory.values()];
}

export async function clear() {
  const store = await table("readwrite");
  return store ? asked(store.clear()) : memory.clear();
}
