// SPDX-License-Identifier: Apache-2.0
// Who sits before the page, as the server sees them: nobody yet, a visitor with consent, or an account with a role.
import { get, setCsrf } from "./api.js";
import { keepMe, keptMe } from "./kept.js";

const nobody = { who: "anyone", account: null, workspace: null, role: "", consent: false, consent_outdated: false, purposes: [], visitor: null };
/** `old` tells that the server could not be asked: who was here the last time, with no right to send anything. */
export const me = { ...nobody, old: false };

/** Away from the server, whoever was here before. Throws where nobody was. */
export async function loadMe() {
  try {
    return takeMe(await get("/api/me"));
  } catch (error) {
    if (!error.away) throw error;
    if (me.who === "anyone") {
      const before = await keptMe();
      if (!before) throw error;
      Object.assign(me, nobody, before, { old: true });
    }
    return me;
  }
}

/** As loadMe; where it is somebody else by now, or nobody, or their consent changed, the page is told (afina:person). */
export async function askMe() {
  const mark = () => [me.who, owner(), me.consent, me.consent_outdated].join();
  const before = mark();
  await loadMe();
  if (mark() !== before) window.dispatchEvent(new CustomEvent("afina:person"));
  return me;
}

/** Takes over what a sign-in, a join or GET /api/me answered. */
export function takeMe(answer) {
  const { csrf = "", ...person } = answer;
  Object.assign(me, nobody, person, { old: false });
  setCsrf(csrf);
  keepMe({ ...nobody, ...person });
  return me;
}

export const is = (...who) => who.includes(me.who);
export const members = ["annotator", "reviewer", "engineer", "admin"];
export const reviewers = ["reviewer", "engineer", "admin", "auditor"];
export const engineers = ["engineer", "admin", "auditor"];
export const admins = ["admin", "auditor"];
/** An auditor reads everything and changes nothing. */
export const mayWrite = () => me.who !== "auditor";
/** Nothing is collected before this person has agreed to the text as it is now. Away from the server nobody is asked. */
export const mustConsent = () => !me.old && (me.consent ? me.consent_outdated : Boolean(me.account));
/** Whose acts wait in the outbox: nobody else's session may send them. */
export const owner = () => me.account?.id ?? me.visitor ?? "";
