// SPDX-License-Identifier: Apache-2.0
// What somebody is saying about answers and has not sent: on this device alone, each person's for themselves, until it
// is sent or thrown away. An act that the server refused comes back here, so that no words are lost with it. Who leaves
// the device takes it all along (outbox.forget).
import {onSettled} from "./outbox.js";
import {owner} from "./session.js";

const kPrefix = "afina.draft.about.", kMost = 20;
const kFields = ["outcome", "aspects", "flags", "spans", "rewrite", "reason", "reason_language", "confidence"];
const mine = () => `${kPrefix}${owner()}.`;

/** What a form of judgement takes, of a vote or a note with more in it. */
export const wordsOf = (act) =>
  Object.fromEntries(kFields.filter((name) => act[name] !== undefined && act[name] !== null).map((name) => [name, act[name]]));

/** Whether there is more in it than a mark on the scale. */
export const written = (body) => ["aspects", "flags", "spans", "rewrite", "reason"].some((name) => body?.[name]?.length);

/**
 * about: an exposure, or the turn of a single answer. {body, refused: the code of the refusal or "", undone: whether it
 * is a vote being taken back}, or null.
 */
export function draftOf(about) {
  return JSON.parse(localStorage.getItem(mine() + about) ?? "null");
}

export function keepDraft(about, body, { refused = "", undone = false } = {}) {
  if (!owner()) return;
  if (!written(body) && body.outcome === undefined && !refused) return dropDraft(about);
  try {
    localStorage.setItem(mine() + about, JSON.stringify({ body: wordsOf(body), refused, undone, at: Date.now() }));
  } catch (error) {
    if (error.name !== "QuotaExceededError") throw error;  // a full device only costs the draft
  }
  tidy();
}

export const dropDraft = (about) => localStorage.removeItem(mine() + about);

/** Others' go as soon as somebody else writes here; of one's own the latest stay. */
function tidy() {
  const all = Object.keys(localStorage).filter((name) => name.startsWith(kPrefix));
  const own = all.filter((name) => name.startsWith(mine()));
  const old = own.length > kMost ? own.sort((a, b) => at(b) - at(a)).slice(kMost) : [];
  for (const name of [...all.filter((one) => !one.startsWith(mine())), ...old]) localStorage.removeItem(name);
}
const at = (name) => JSON.parse(localStorage.getItem(name)).at;

/** From now on the words of a refused vote or comment are kept, whichever view is open. */
export function startDrafts() {
  onSettled(({ about, body }, answer, error) => {
    if (!error || error.passing) return;
    if (["vote", "correction"].includes(about.kind)) keepDraft(about.exposure, body, { refused: error.code });
    if (about.kind === "note") keepDraft(about.turn, body, { refused: error.code });
    if (about.kind === "undo" && draftOf(about.exposure)?.undone) dropDraft(about.exposure);  // the vote stands
  });
}
