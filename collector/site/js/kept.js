// SPDX-License-Identifier: Apache-2.0
// What this device can show without a network: who is here, the last conversations, the last task. Only answers to the
// person who is here, under few names, without the session's secrets; gone when they leave or withdraw.
import { get } from "./api.js";
import { openTable } from "./idb.js";
import { owner } from "./session.js";

const table = openTable("afina.kept", "kept", "name");
const kMost = 20;  // of what is kept one by one, as "conversation/ID"
let turn = Promise.resolve();  // writes happen in the order they were asked for

/** Nothing depends on it having worked: a full disk only costs the page without a network. */
function inTurn(write) {
  turn = turn.then(write).catch(() => {});
  return turn;
}

export const keep = (name, value) => {
  const row = { name, owner: owner(), value, at: Date.now() };
  return inTurn(async () => {
    if (!row.owner) return;
    await table.put(row);
    const [kind, id] = name.split("/");
    if (id === undefined) return;
    const others = (await table.all()).filter((one) => one.name.startsWith(`${kind}/`)).sort((a, b) => b.at - a.at);
    for (const old of others.slice(kMost)) await table.remove(old.name);
  });
};

/** What was kept for the person who is here, or null. */
export async function kept(name) {
  await turn;
  const row = await table.get(name);
  return row?.owner === owner() ? row.value : null;
}

/** Like get(); away from the server the last answer of that address, if it is the one kept under the name. */
export async function getOrKept(name, path) {
  try {
    const answer = await get(path);
    keep(name, { path, answer });
    return answer;
  } catch (error) {
    const old = error.away ? await kept(name) : null;
    if (old?.path !== path) throw error;
    return old.answer;
  }
}

/** Somebody is here as the server says; what was kept of anybody else goes. */
export function keepMe(me) {
  const row = { name: "me", owner: owner(), value: me };
  return inTurn(async () => {
    const before = await table.get("me");
    if (before?.owner !== row.owner) await table.clear();
    if (row.owner) await table.put(row);
  });
}
export async function keptMe() {
  await turn;
  return (await table.get("me"))?.value ?? null;
}

export const forgetKept = () => inTurn(() => table.clear());
