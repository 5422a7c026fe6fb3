// SPDX-License-Identifier: Apache-2.0
// Who sits before the page, as the server sees them: nobody yet, a visitor with consent, or an account with a role.
import { get, setCsrf } from "./api.js";

export const me = { who: "anyone", account: null, workspace: null, role: "", consent: false, purposes: [], visitor: null };

export async function loadMe() {
  return takeMe(await get("/api/me"));
}

/** Takes over what a sign-in, a join or GET /api/me answered. */
export function takeMe(answer) {
  Object.assign(me, { who: "anyone", account: null, workspace: null, role: "", consent: false, purposes: [], visitor: null }, answer);
  setCsrf(answer.csrf ?? "");
  return me;
}

export const is = (...who) => who.includes(me.who);
export const members = ["annotator", "reviewer", "engineer", "admin"];
export const reviewers = ["reviewer", "engineer", "admin", "auditor"];
export const engineers = ["engineer", "admin", "auditor"];
export const admins = ["admin", "auditor"];
/** An auditor reads everything and changes nothing. */
export const mayWrite = () => me.who !== "auditor";
/** Whose acts wait in the outbox: nobody else's session may send them. */
export const owner = () => me.account?.id ?? me.visitor ?? "";
