// SPDX-License-Identifier: Apache-2.0
// Starts the worker that keeps the page's files (sw.js), so that a reload without a network shows the page.

/** Browsers without workers, and pages that came over plain http, go on without. */
export async function startWorker() {
  if (!("serviceWorker" in navigator)) return;
  const address = "/sw.js";
  // The page's policy lets no text become a script, this one address apart.
  const policy = globalThis.trustedTypes?.createPolicy("afina-worker", { createScriptURL: () => address });
  // A worker that cannot start costs the page without a network, nothing else.
  await navigator.serviceWorker.register(policy?.createScriptURL(address) ?? address).catch(() => {});
}
