// SPDX-License-Identifier: Apache-2.0
// A turn's stream shown as it comes. Where it breaks, the server goes on writing and is asked again.
import { ApiError, getStream } from "../api.js";
import { announce } from "../dom.js";
import { t } from "../i18n.js";

const kTries = 20, kPauseMs = 1500;

/**
 * stream(onEvent) opens the first one; path(turn) leads to the turn. Ends when the answer is whole or the view is left.
 * begun: whether the server is known to write already; what it did not take is thrown, and nothing is followed.
 */
export async function follow(view, stream, path, signal, begun) {
  announce(t("writing"));
  for (let tries = 0; ; ++tries) {
    try {
      let ended = false;
      await stream((name, data) => {
        begun = true;
        if (name === "start" || name === "done") view.show(data);
        if (name === "done") ended = true;
        if (name === "delta") view.append(data.side, data.text);
        if (name === "leak") view.leaked(data.side);
        if (name === "error") throw new ApiError(data.error.code ?? "unknown", 500);
      });
      if (ended) return;
      throw new ApiError("offline", 0);
    } catch (error) {
      if (signal.aborted) return;
      const again = error instanceof ApiError && error.passing && error.status !== 429;
      if (!again || !begun || tries > kTries) throw error;
      await new Promise((resume) => setTimeout(resume, kPauseMs));
      const address = `${path(view.turn)}/stream`;
      stream = (onEvent) => getStream(address, onEvent, signal);
    }
  }
}
