// SPDX-License-Identifier: Apache-2.0
// Tables in the browser's database, kept across reloads, each in a database of its own. Where a browser refuses them
// (some private windows), the memory of this page serves.

const asked = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

class Memory {
  #rows = new Map();
  #next = 1;
  constructor(key) { this.key = key; }
  put(row) {
    row[this.key] ??= this.#next++;
    this.#rows.set(row[this.key], row);
  }
  get(key) { return this.#rows.get(key); }
  remove(key) { this.#rows.delete(key); }
  all() { return [...this.#rows.values()]; }
  clear() { this.#rows.clear(); }
}

class Stored {
  constructor(database, name) {
    this.database = database;
    this.name = name;
  }
  table(mode) { return this.database.transaction(this.name, mode, { durability: "strict" }).objectStore(this.name); }
  put(row) {
    const table = this.table("readwrite");
    table.put(row);
    return new Promise((resolve, reject) => {
      table.transaction.oncomplete = resolve;
      table.transaction.onabort = () => reject(table.transaction.error);
    });
  }
  get(key) { return asked(this.table("readonly").get(key)); }
  remove(key) { return asked(this.table("readwrite").delete(key)); }
  all() { return asked(this.table("readonly").getAll()); }
  clear() { return asked(this.table("readwrite").clear()); }
}

/**
 * put(row) resolves once the row is on disk; get(key), remove(key), all() in the order of keys, clear(). Rows without a
 * key get the next number.
 */
export function openTable(database, name, key) {
  const open = async () => {
    try {
      const request = indexedDB.open(database, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(name, { keyPath: key, autoIncrement: true });
      return new Stored(await asked(request), name);
    } catch {
      return new Memory(key);
    }
  };
  let opened = open();
  // Browsers cut the connection of a page that was long in the background: it is opened anew, once a call.
  const call = (verb) => async (...values) => {
    try {
      return await (await opened)[verb](...values);
    } catch (error) {
      if (!["InvalidStateError", "UnknownError", "AbortError"].includes(error?.name)) throw error;
      opened = open();
      return (await opened)[verb](...values);
    }
  };
  return { put: call("put"), get: call("get"), remove: call("remove"), all: call("all"), clear: call("clear") };
}
