// SPDX-License-Identifier: Apache-2.0
// Rows of training files in TRL's forms (trl docs dataset_formats.md), also pre-tokenised, read from JSONL with errors
// that name file, line and field. Text and ids only: tokens and masks are made in encode.h.
#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

namespace afina::datasets {

using Messages = std::vector<text::Message>;

/// {"messages": […]}: assistant turns are trained, each with its "weight" (or "train": true or false) where it has one.
struct ChatForm {
  Messages messages;
  std::vector<float> weights;  ///< one a message, 0 or more; empty: 1 for each
};
/// {"prompt", "completion"}, both text: the completion is trained.
struct CompletionForm {
  std::string prompt, completion;
};
/// {"prompt", "completion"}, both message lists.
struct ChatCompletionForm {
  Messages prompt, completion;
};
/// {"text"}: everything is trained.
struct TextForm {
  std::string text;
};
/// {"input_ids", "labels"}: labels[t] is input_ids[t], or -100 where it is not trained; without labels all are.
struct TokenForm {
  std::vector<int> input_ids, labels;
};

struct SftRow {
  std::variant<ChatForm, CompletionForm, ChatCompletionForm, TextForm, TokenForm> form;
  std::string where;                        ///< "file:line" or a snapshot's member, for errors and lineage
  std::vector<std::string> preference_ids;  ///< judgements that the row comes from; may be empty
};

/// {"prompt", "chosen", "rejected"}, all text.
struct PairText {
  std::string prompt, chosen, rejected;
};
/// The same as message lists; chosen and rejected hold the new turns only.
struct PairChat {
  Messages prompt, chosen, rejected;
};
/// {"prompt_ids", "chosen_ids", "rejected_ids"}.
struct PairTokens {
  std::vector<int> prompt, chosen, rejected;
};

struct PairRow {
  std::variant<PairText, PairChat, PairTokens> form;
  double soft_label = 1.0;       ///< q, 0.5..1: the reader swaps the answers of a row with q < ½
  double tie = 0.0;              ///< t, share of judgements that called both equal, 0..2(1−q)
  std::optional<double> margin;  ///< nats; nothing: from the run's margin_scale
  double weight = 1.0;
  std::string where;
  std::vector<std::string> preference_ids;
};

/// {"prompt_ids", "completion_ids"}.
struct CompletionTokens {
  std::vector<int> prompt, completion;
};

/// {"prompt", "completion", "label"}: one answer, and whether it is good (KTO, BCO).
struct UnpairedRow {
  std::variant<CompletionForm, ChatCompletionForm, CompletionTokens> form;
  double label = 1.0;  ///< probability that the answer is good, 0..1; true and false are 1 and 0
  double weight = 1.0;
  std::string where;
  std::vector<std::string> preference_ids;
};

/// {"prompt", "completions"}, all text, the best completion first.
struct RankingText {
  std::string prompt;
  std::vector<std::string> completions;
};
struct RankingChat {
  Messages prompt;
  std::vector<Messages> completions;
};
/// {"prompt_ids", "completions_ids"}.
struct RankingTokens {
  std::vector<int> prompt;
  std::vector<std::vector<int>> completions;
};

/// K ≥ 2 answers to one prompt, the best first, without ties.
struct RankingRow {
  std::variant<RankingText, RankingChat, RankingTokens> form;
  double weight = 1.0;
  std::string where;
  std::vector<std::string> preference_ids;
};

using AnyRow = std::variant<SftRow, PairRow, UnpairedRow, RankingRow>;

/// Every row of a JSONL file. Columns that change what would be trained and are not supported (tools, images,
/// chat_template_kwargs, completion_mask, assistant_masks, tool_calls, …) are refused; other unknown columns are
/// ignored. Throws NotFound, StorageError, or DataError "[file:line] …" for the first bad row and
/// for no rows.
std::vector<SftRow> read_sft_rows(const std::filesystem::path& path);
std::vector<PairRow> read_pair_rows(const std::filesystem::path& path);
std::vector<UnpairedRow> read_unpaired_rows(const std::filesystem::path& path);
std::vector<RankingRow> read_ranking_rows(const std::filesystem::path& path);

/// One document. Throws DataError.
SftRow parse_sft_row(const Json& row, const std::string& where);
/// As above. "chosen" and "rejected" as message lists without a prompt (or with a prompt as text) share their first
/// messages: the longest common beginning is the prompt. Plain texts must have a prompt: where two texts part is a
/// guess.
PairRow parse_pair_row(const Json& row, const std::string& where);
/// "label" is true, false or a number from 0 to 1.
UnpairedRow parse_unpaired_row(const Json& row, const std::string& where);
/// 2 to 64 completions. Optional "ranks", one whole number a completion, less is better: the reader sorts by them and
/// refuses equal ones.
RankingRow parse_ranking_row(const Json& row, const std::string& where);

/// TRL's unpairing: the chosen answer with label q, then the rejected one with 1 − q; w, name and judgements are kept.
std::array<UnpairedRow, 2> unpair(const PairRow& row);

}  // namespace afina::datasets
