// SPDX-License-Identifier: Apache-2.0
// Rows of one answer and of many: unpaired rows and rankings.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "datasets/row_fields.h"
#include "datasets/rows.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostCompletions = 64;

double read_label(const Json& row, const RowFields& fields) {
  if (!fields.has("label")) {
    fields.fail("have \"label\": true, false or a number from 0 to 1, but has none.",
                fields.has("chosen") ? "a file is of pairs or of unpaired rows, not of both" : "");
  }
  if (row["label"].is_boolean()) return row["label"].get<bool>() ? 1.0 : 0.0;
  return *fields.number("label", 0.0, 1.0);
}

void check_prompt(const Messages& prompt, const RowFields& fields) {
  if (prompt.back().role == "assistant")
    fields.fail("have a prompt that ends before the answer, but its last message is the assistant's.");
}

RankingText ranking_text(const RowFields& fields) {
  RankingText form{fields.text("prompt"), fields.texts("completions")};
  for (const std::string& completion : form.completions) {
    if (completion.empty()) fields.fail("have completions, but one of them is an empty text.");
  }
  return form;
}

RankingChat ranking_chat(const RowFields& fields) {
  RankingChat form{fields.messages("prompt"), {}};
  const Json& list = fields.list("completions");
  for (size_t i = 0; i < list.size(); ++i)
    form.completions.push_back(fields.messages_in(cat("\"completions\"[", i, "]"), list[i]));
  check_prompt(form.prompt, fields);
  return form;
}

RankingTokens ranking_tokens(const RowFields& fields) {
  RankingTokens form{fields.ids("prompt_ids"), {}};
  const Json& list = fields.list("completions_ids");
  for (size_t i = 0; i < list.size(); ++i) {
    form.completions.push_back(fields.ids_in(cat("\"completions_ids\"[", i, "]"), list[i]));
    if (form.completions.back().empty())
      fields.fail(cat("have token ids in \"completions_ids\"[", i, "], but it is empty."));
  }
  return form;
}

// Positions of the completions, best first.
std::vector<size_t> order_of(const RowFields& fields, size_t n) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  if (!fields.has("ranks")) return order;
  std::vector<int64_t> ranks;
  for (const Json& rank : fields.list("ranks")) {
    if (!rank.is_number_integer() || (rank.is_number_unsigned() && rank.get<uint64_t>() > INT64_MAX))
      fields.fail("have whole numbers as \"ranks\", but has something else.");
    ranks.push_back(rank.get<int64_t>());
  }
  if (ranks.size() != n) fields.fail(cat("have a rank for each completion, but has ", ranks.size(), " for ", n, "."));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranks[a] < ranks[b]; });
  for (size_t i = 1; i < n; ++i) {
    if (ranks[order[i]] == ranks[order[i - 1]]) {
      fields.fail(cat("rank every completion above or below every other, but two have rank ", ranks[order[i]], "."),
                  "give ties as pairs with soft_label 0.5 and tie 1");
    }
  }
  return order;
}

template <typename Form>
void reorder(Form& form, const std::vector<size_t>& order) {
  decltype(form.completions) sorted;
  for (const size_t i : order)
    sorted.push_back(std::move(form.completions[i]));
  form.completions = std::move(sorted);
}

}  // namespace

UnpairedRow parse_unpaired_row(const Json& row, const std::string& where) {
  const RowFields fields(row, where);
  fields.refuse({"tools", "chat_template_kwargs", "images", "image", "videos", "completions", "completions_ids",
                 "messages", "text", "input_ids", "margin", "soft_label", "tie"});
  UnpairedRow out;
  out.where = where;
  out.label = read_label(row, fields);
  if (fields.has("chosen") || fields.has("chosen_ids"))
    fields.fail("be in one form, but has both \"label\" and two answers.");
  if (fields.has("completion_ids") || fields.has("prompt_ids")) {
    if (fields.has("completion")) fields.fail("be in one form, but has both \"completion\" and token ids.");
    out.form = CompletionTokens{fields.ids("prompt_ids"), fields.ids("completion_ids")};
    if (std::get<CompletionTokens>(out.form).completion.empty())
      fields.fail("have token ids in \"completion_ids\", but it is empty.");
  } else if (fields.is_list("completion")) {
    ChatCompletionForm chat{fields.messages("prompt"), fields.messages("completion")};
    check_prompt(chat.prompt, fields);
    out.form = std::move(chat);
  } else {
    out.form = CompletionForm{fields.text("prompt"), fields.text("completion")};
    if (std::get<CompletionForm>(out.form).completion.empty())
      fields.fail("have an answer, but \"completion\" is an empty text.");
  }
  out.weight = fields.number("weight", 1e-9, 1e9).value_or(1.0);
  out.preference_ids = fields.texts("preference_ids");
  return out;
}

RankingRow parse_ranking_row(const Json& row, const std::string& where) {
  const RowFields fields(row, where);
  fields.refuse({"tools", "chat_template_kwargs", "images", "image", "videos", "label", "labels", "margin",
                 "soft_label", "tie", "chosen", "rejected", "completion"});
  const bool ids = fields.has("completions_ids");
  if (ids && fields.has("completions")) fields.fail("be in one form, but has both \"completions\" and token ids.");
  const Json& list = fields.list(ids ? "completions_ids" : "completions");
  if (list.size() < 2 || list.size() > kMostCompletions)
    fields.fail(cat("rank 2 to ", kMostCompletions, " completions, but has ", list.size(), "."));
  RankingRow out;
  out.where = where;
  if (ids) {
    out.form = ranking_tokens(fields);
  } else if (list[0].is_array()) {
    out.form = ranking_chat(fields);
  } else {
    out.form = ranking_text(fields);
  }
  const std::vector<size_t> order = order_of(fields, list.size());
  std::visit([&](auto& form) { reorder(form, order); }, out.form);
  out.weight = fields.number("weight", 1e-9, 1e9).value_or(1.0);
  out.preference_ids = fields.texts("preference_ids");
  return out;
}

std::array<UnpairedRow, 2> unpair(const PairRow& row) {
  UnpairedRow chosen, rejected;
  chosen.label = row.soft_label;
  rejected.label = 1.0 - row.soft_label;
  for (UnpairedRow* one : {&chosen, &rejected}) {
    one->weight = row.weight;
    one->where = row.where;
    one->preference_ids = row.preference_ids;
  }
  if (const auto* text = std::get_if<PairText>(&row.form)) {
    chosen.form = CompletionForm{text->prompt, text->chosen};
    rejected.form = CompletionForm{text->prompt, text->rejected};
  } else if (const auto* chat = std::get_if<PairChat>(&row.form)) {
    chosen.form = ChatCompletionForm{chat->prompt, chat->chosen};
    rejected.form = ChatCompletionForm{chat->prompt, chat->rejected};
  } else {
    const auto& ids = std::get<PairTokens>(row.form);
    chosen.form = CompletionTokens{ids.prompt, ids.chosen};
    rejected.form = CompletionTokens{ids.prompt, ids.rejected};
  }
  return {std::move(chosen), std::move(rejected)};
}

}  // namespace afina::datasets
