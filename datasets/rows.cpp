// SPDX-License-Identifier: Apache-2.0
#include "datasets/rows.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "datasets/row_fields.h"
#include "formats/jsonl.h"

namespace afina::datasets {
namespace {

constexpr int kIgnored = -100;

TokenForm token_form(const RowFields& fields) {
  TokenForm form;
  form.input_ids = fields.ids("input_ids");
  if (form.input_ids.empty()) fields.fail("have token ids in \"input_ids\", but it is empty.");
  form.labels = fields.has("labels") ? fields.ids("labels", kIgnored) : form.input_ids;
  if (form.labels.size() != form.input_ids.size()) {
    fields.fail(
        cat("have a label for each id, but has ", form.labels.size(), " labels for ", form.input_ids.size(), " ids."));
  }
  for (size_t i = 0; i < form.labels.size(); ++i) {
    if (form.labels[i] != kIgnored && form.labels[i] != form.input_ids[i]) {
      fields.fail(cat("have labels that are -100 or the id at their place, but label ", i, " is ", form.labels[i],
                      " where the id is ", form.input_ids[i], "."),
                  "labels are not shifted: labels[t] is predicted from the ids before t");
    }
  }
  return form;
}

// Which of the SFT forms the row's columns make; exactly one.
std::string sft_form(const RowFields& fields) {
  std::vector<std::string> forms;
  if (fields.has("messages")) forms.emplace_back("messages");
  if (fields.has("completion")) forms.emplace_back("completion");
  if (fields.has("text")) forms.emplace_back("text");
  if (fields.has("input_ids")) forms.emplace_back("input_ids");
  if (forms.size() > 1) fields.fail(cat("be in one form, but has both \"", forms[0], "\" and \"", forms[1], "\"."));
  if (forms.empty()) {
    const bool pair = fields.has("chosen") || fields.has("chosen_ids");
    const bool sharegpt = fields.has("conversations");
    fields.fail("have \"messages\", \"prompt\" and \"completion\", \"text\" or \"input_ids\", but has none of them.",
                pair ? "this looks like a preference row: use afina dpo"
                     : (sharegpt ? "turn ShareGPT's conversations into messages with role and content" : ""));
  }
  return forms[0];
}

PairTokens pair_tokens(const RowFields& fields) {
  PairTokens form{fields.ids("prompt_ids"), fields.ids("chosen_ids"), fields.ids("rejected_ids")};
  if (form.chosen.empty()) fields.fail("have token ids in \"chosen_ids\", but it is empty.");
  if (form.rejected.empty()) fields.fail("have token ids in \"rejected_ids\", but it is empty.");
  return form;
}

// The shared beginning becomes the prompt; each answer keeps at least one message.
PairChat split_shared_prompt(Messages chosen, Messages rejected, const RowFields& fields) {
  const size_t most = std::min(chosen.size(), rejected.size()) - 1;
  size_t shared = 0;
  while (shared < most && chosen[shared] == rejected[shared])
    ++shared;
  if (shared == 0)
    fields.fail(
        "have a prompt, or messages that \"chosen\" and \"rejected\" share at their beginning, but has neither.");
  PairChat form;
  const auto begin = static_cast<std::ptrdiff_t>(shared);
  form.prompt.assign(chosen.begin(), chosen.begin() + begin);
  form.chosen.assign(chosen.begin() + begin, chosen.end());
  form.rejected.assign(rejected.begin() + begin, rejected.end());
  return form;
}

void check_prompt(const Messages& prompt, const RowFields& fields) {
  if (prompt.back().role == "assistant") {
    fields.fail("have a prompt that ends before the answer, but its last message is the assistant's.");
  }
}

PairChat pair_chat(const RowFields& fields) {
  Messages chosen = fields.messages("chosen");
  Messages rejected = fields.messages("rejected");
  PairChat form = fields.is_list("prompt") ? PairChat{fields.messages("prompt"), std::move(chosen), std::move(rejected)}
                                           : split_shared_prompt(std::move(chosen), std::move(rejected), fields);
  check_prompt(form.prompt, fields);
  return form;
}

PairText pair_text(const RowFields& fields) {
  if (!fields.has("prompt")) {
    fields.fail("have a \"prompt\" beside texts, but has none.",
                "where two texts part is a guess: write the prompt in a column of its own");
  }
  PairText form{fields.text("prompt"), fields.text("chosen"), fields.text("rejected")};
  if (form.chosen.empty() || form.rejected.empty()) fields.fail("have two answers, but one of them is an empty text.");
  return form;
}

// A tie is a part of q: what is left of q and of 1 − q are the shares of wins and losses.
void read_tie(const RowFields& fields, PairRow& row) {
  row.tie = fields.number("tie", 0.0, 1.0).value_or(0.0);
  if (row.tie > 2.0 * (1.0 - row.soft_label) + 1e-9) {
    fields.fail(
        cat("have a \"tie\" of at most 2(1 - soft_label) = ", 2.0 * (1.0 - row.soft_label), ", but got ", row.tie, "."),
        "soft_label counts half of each tie: three wins and one tie are soft_label 0.875, tie 0.25");
  }
}

void swap_answers(PairRow& row) {
  std::visit([](auto& form) { std::swap(form.chosen, form.rejected); }, row.form);
}

template <typename Row, typename Parse>
std::vector<Row> read_rows(const std::filesystem::path& path, Parse parse) {
  formats::JsonlReader reader(path);
  std::vector<Row> rows;
  while (const auto document = reader.next())
    rows.push_back(parse(*document, reader.where()));
  if (rows.empty()) throw DataError(cat("[", path.string(), "] must have at least one row, but has none."));
  return rows;
}

}  // namespace

SftRow parse_sft_row(const Json& row, const std::string& where) {
  const RowFields fields(row, where);
  fields.refuse({"tools", "functions", "chat_template_kwargs", "images", "image", "videos", "completion_mask",
                 "assistant_masks", "attention_mask", "label", "weight", "completions", "completions_ids", "ranks"});
  SftRow out;
  out.where = where;
  const std::string form = sft_form(fields);
  if (form == "messages") {
    out.form = fields.weighted_messages("messages");
  } else if (form == "text") {
    out.form = TextForm{fields.text("text")};
  } else if (form == "input_ids") {
    out.form = token_form(fields);
  } else if (fields.is_list("completion")) {
    ChatCompletionForm chat{fields.messages("prompt"), fields.messages("completion")};
    check_prompt(chat.prompt, fields);
    out.form = std::move(chat);
  } else {
    out.form = CompletionForm{fields.text("prompt"), fields.text("completion")};
  }
  out.preference_ids = fields.texts("preference_ids");
  return out;
}

PairRow parse_pair_row(const Json& row, const std::string& where) {
  const RowFields fields(row, where);
  fields.refuse({"tools", "chat_template_kwargs", "images", "image", "videos", "label", "completions",
                 "completions_ids", "ranks"});
  PairRow out;
  out.where = where;
  if (fields.has("chosen_ids") || fields.has("prompt_ids")) {
    if (fields.has("chosen")) fields.fail("be in one form, but has both \"chosen\" and token ids.");
    out.form = pair_tokens(fields);
  } else if (fields.is_list("chosen") || fields.is_list("rejected")) {
    out.form = pair_chat(fields);
  } else {
    if (!fields.has("chosen") && (fields.has("messages") || fields.has("completion") || fields.has("text"))) {
      fields.fail("have \"chosen\" and \"rejected\", but has neither.", "this looks like a row for afina sft");
    }
    fields.text("chosen");
    fields.text("rejected");
    out.form = pair_text(fields);
  }
  out.soft_label = fields.number("soft_label", 0.0, 1.0).value_or(1.0);
  if (out.soft_label < 0.5) {
    swap_answers(out);
    out.soft_label = 1.0 - out.soft_label;
  }
  read_tie(fields, out);
  out.margin = fields.number("margin", -1e6, 1e6);
  out.weight = fields.number("weight", 1e-9, 1e9).value_or(1.0);
  out.preference_ids = fields.texts("preference_ids");
  return out;
}

std::vector<SftRow> read_sft_rows(const std::filesystem::path& path) {
  return read_rows<SftRow>(path, parse_sft_row);
}

std::vector<PairRow> read_pair_rows(const std::filesystem::path& path) {
  return read_rows<PairRow>(path, parse_pair_row);
}

std::vector<UnpairedRow> read_unpaired_rows(const std::filesystem::path& path) {
  return read_rows<UnpairedRow>(path, parse_unpaired_row);
}

std::vector<RankingRow> read_ranking_rows(const std::filesystem::path& path) {
  return read_rows<RankingRow>(path, parse_ranking_row);
}

}  // namespace afina::datasets
