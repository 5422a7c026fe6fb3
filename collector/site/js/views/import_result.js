// SPDX-License-Identifier: Apache-2.0
// What an import brought and what it passed over: why, in the person's own words, with what the server said below.
import {element} from "../dom.js";
import {t} from "../i18n.js";
import {secret, table} from "../ui.js";

/** The first that fits names the kind of trouble; what none knows has not the form of its format. */
const kinds = [
  ["big", /at most|has more|levels deep/],
  ["cut", /ends within|close its quotes/],
  ["encoding", /UTF-8|token ids/],
  ["range", /outside|negative|ratings of|a grade|1 to 5/],
  ["unknown", /known|of system, user,? (and )?assistant|the role prompter|name answer/],
  ["missing", /missing|has none|is empty|one is empty|not there|no question|judged none/]
];
const words = (why) => t(`import_why_${kinds.find(([, sign]) => sign.test(why))?.[0] ?? "form"}`);

const reason = (why) => element("div", {}, words(why), element("div", { class: "muted small", lang: "en" }, why));

/** done: what POST /api/imports answered. The code that takes the file back is shown once. */
export function imported(done) {
  const counts = { conversations: done.conversations, answers: done.answers, judgements: done.judgements };
  const nothing = !done.repeated && !done.conversations && !done.judgements && !done.items;
  return [
    element("p", { class: nothing ? "problem" : "done", role: "status" },
      t(done.repeated ? "import_repeated" : nothing ? "import_nothing" : "import_done", counts)),
    done.narrower ? element("p", {}, t("import_narrower", { n: done.narrower })) : "",
    done.receipt_code ? secret(t("import_receipt"), done.receipt_code) : "",
    done.skipped?.length ?
      table(t("import_skipped"), [t("line"), t("why")], done.skipped.map(({ line, why }) => [String(line), reason(why)])) :
      ""
  ];
}
