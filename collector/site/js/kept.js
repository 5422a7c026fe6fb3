// SPDX-License-Identifier: Apache-2.0
// What this device can show without a network: who is here, the last conversation, the last task. Only answers to the
// person who is here, under a few fixed names, without the session's secrets; gone when they leave or withdraw.
import { get } from "./api.js";
import { openTable } from "./idb.js";
import { owner } from "./session.js";

const table = openTable("afina.kept", "kept", "name");
let turn = Promise.resolve();  // writes happen in the order they were asked for

/** Nothing depends on it having worked: a full disk only costs the page without a network. */
function inTurn(write) {
  turn = turn.then(write).catch(() => {});
  return turn;
}

export const keep = (name, value) => {
  const row = { name, owner: owner(), value };
  return inTurn(() => (row.owner ? table.put(row) : null));
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
