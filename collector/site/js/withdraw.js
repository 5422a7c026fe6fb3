// SPDX-License-Identifier: Apache-2.0
// Withdrawal by receipt code: needs no session, so it works on any device.
import { post } from "./api.js";
import { byId } from "./dom.js";
import { startLanguageMenu, t } from "./i18n.js";
import { forget } from "./outbox.js";
import { loadMe, me, owner } from "./session.js";
import { withdrawnList } from "./withdrawn.js";

let done = null;
const showDone = () => {
  if (!done) return;
  byId("withdraw-done-text").textContent = t("withdraw_done_text", done);
  byId("withdraw-made").replaceChildren(withdrawnList(done));
};

// An account's own page sends its token along; everybody else needs none.
const ready = startLanguageMenu(showDone).catch(() => {}).then(() => loadMe().catch(() => {}));
byId("withdraw-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = byId("withdraw-problem");
  problem.hidden = true;
  try {
    await ready;
    const before = owner();
    done = await post("/api/withdraw", { receipt_code: byId("code").value });
    await loadMe().catch(() => {});
    // Whoever helps somebody else with their code keeps their own.
    if (!owner() || owner() !== before || !me.consent) await forget();
    byId("withdraw-form").hidden = true;
    byId("withdraw-done").hidden = false;
    showDone();
    byId("withdraw-done-title").focus();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
});
