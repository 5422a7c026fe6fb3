// SPDX-License-Identifier: Apache-2.0
// Rows of training files in TRL's forms (trl docs dataset_formats.md), also pre-tokenised, read from JSONL with errors
// that name file, line and field. Text and ids only: tokens and masks are made in encode.h.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

namespace afina::datasets {

using Messages = std::vector<text::Message>;

/// {"messages": […]}: assistant turns are trained.
struct ChatForm {
  Messages messages;
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
  std::optional<double> margin;  ///< nats; nothing: from the run's margin_scale
  double weight = 1.0;
  std::string where;
  std::vector<std::string> preference_ids;
};

/// Every row of a JSONL file. Columns that change what would be trained and are not supported (tools, images,
/// chat_template_kwargs, completion_mask, assistant_masks, tool_calls and weights in messages, …) are refused; other
/// unknown columns are ignored. Throws NotFound, StorageError, or DataError "[file:line] …" for the first bad row and
/// for no rows.
std::vector<SftRow> read_sft_rows(const std::filesystem::path& path);
std::vector<PairRow> read_pair_rows(const std::filesystem::path& path);

/// One document. Throws DataError.
SftRow parse_sft_row(const Json& row, const std::string& where);
/// As above. "chosen" and "rejected" as message lists without a prompt (or with a prompt as text) share their first
/// messages: the longest common beginning is the prompt. Plain texts must have a prompt: where two texts part is a
/// guess.
PairRow parse_pair_row(const Json& row, const std::string& where);

}  // namespace afina::datasets
