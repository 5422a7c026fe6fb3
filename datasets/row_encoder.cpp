// SPDX-License-Identifier: Apache-2.0
#include "datasets/row_encoder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace afina::datasets {
namespace {

constexpr size_t kShownDrops = 5;
// Templates that rewrite the past (thinking removed, …) part from their prompt far from its end; a merged token does
// not.
constexpr size_t kMostMergedTokens = 4;

TokenSequence trained_from(std::vector<int> ids, size_t first) {
  TokenSequence sequence{std::move(ids), {}};
  sequence.weights.assign(sequence.ids.size(), 0.0F);
  for (size_t t = first; t < sequence.weights.size(); ++t)
    sequence.weights[t] = 1.0F;
  return sequence;
}

size_t shared_length(const std::vector<int>& a, const std::vector<int>& b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(end.first - a.begin());
}

Messages joined(const Messages& first, const Messages& second) {
  Messages all = first;
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

}  // namespace

RowEncoder::RowEncoder(const text::TextStack* text, const EncodeRowsOptions& options) : text_(text), options_(options) {
  if (options.max_length < 2)
    throw UsageError(cat("[datasets.encode] must have max_length of 2 or more, but got ", options.max_length, "."));
}

const text::TextStack& RowEncoder::stack() const {
  if (text_ == nullptr)
    throw DataError(cat("[", where_, "] must be pre-tokenised where no tokenizer is given, but is text."));
  return *text_;
}

const text::ChatEncoder& RowEncoder::encoder() {
  if (!encoder_) encoder_ = stack().encoder();
  return *encoder_;
}

std::vector<int> RowEncoder::plain_ids(const std::string& text, bool with_end) const {
  const text::Tokenizer& tokenizer = *stack().tokenizer;
  std::vector<int> ids = tokenizer.encode(text, {.parse_special = options_.parse_special, .add_special = true});
  const auto end = tokenizer.eos_id();
  if (with_end && end && (ids.empty() || ids.back() != *end)) ids.push_back(*end);
  return ids;
}

std::vector<int> RowEncoder::chat_ids(const Messages& messages, bool generation_prompt) {
  try {
    return encoder()
        .encode(
            messages,
            {.add_generation_prompt = generation_prompt, .parse_special = options_.parse_special, .with_mask = false})
        .ids;
  } catch (const DataError& error) {
    throw DataError(cat("[", where_, "] must be a chat that the model's template takes, but: ", error.what()));
  }
}

void RowEncoder::check_ids(const std::vector<int>& ids, const char* column) const {
  int limit = options_.vocab_size;
  if (limit == 0) limit = text_ != nullptr ? text_->tokenizer->vocab_size() : std::numeric_limits<int>::max();
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](int id) { return id < 0 || id >= limit; });
  if (bad != ids.end()) {
    throw DataError(cat("[", where_, "] must have ids below ", limit, " in \"", column, "\", but got ", *bad, "."),
                    "was the file made with another model's tokenizer?");
  }
}

TokenSequence RowEncoder::sequence(const ChatForm& form) {
  try {
    auto chat = encoder().encode(form.messages, {.parse_special = options_.parse_special});
    TokenSequence sequence{std::move(chat.ids), {}};
    sequence.weights.assign(chat.assistant_mask.begin(), chat.assistant_mask.end());
    return sequence;
  } catch (const DataError& error) {
    throw DataError(cat("[", where_, "] must be a chat that the model's template takes, but: ", error.what()));
  }
}

RowEncoder::Answers RowEncoder::split(std::vector<int> prompt, std::vector<std::vector<int>> full, bool is_chat) {
  size_t shared = prompt.size();
  for (const auto& ids : full)
    shared = std::min(shared, shared_length(prompt, ids));
  if (is_chat && shared + kMostMergedTokens < prompt.size()) {
    throw DataError(
        cat("[", where_, "] must render the prompt alike with and without its answer, but the renders part at token ",
            shared, " of ", prompt.size(), "."),
        "the model's template rewrites earlier turns; give the row pre-tokenised");
  }
  if (shared < prompt.size()) ++out_.report_.merged_boundaries;
  prompt.resize(shared);
  for (auto& ids : full)
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(shared));
  return {std::move(prompt), std::move(full)};
}

TokenSequence RowEncoder::sequence(const CompletionForm& form) {
  std::vector<int> full = plain_ids(form.prompt + form.completion, true);
  const Answers parts = split(plain_ids(form.prompt, false), {full}, false);
  return trained_from(std::move(full), parts.prompt.size());
}

TokenSequence RowEncoder::sequence(const ChatCompletionForm& form) {
  std::vector<int> full = chat_ids(joined(form.prompt, form.completion), false);
  const Answers parts = split(chat_ids(form.prompt, true), {full}, true);
  return trained_from(std::move(full), parts.prompt.size());
}

TokenSequence RowEncoder::sequence(const TextForm& form) {
  return trained_from(plain_ids(form.text, true), 1);
}

TokenSequence RowEncoder::sequence(const TokenForm& form) {
  check_ids(form.input_ids, "input_ids");
  TokenSequence sequence{form.input_ids, {}};
  for (const int label : form.labels)
    sequence.weights.push_back(label < 0 ? 0.0F : 1.0F);
  return sequence;
}

RowEncoder::Answers RowEncoder::answers(const PairText& form) {
  return split(plain_ids(form.prompt, false),
               {plain_ids(form.prompt + form.chosen, true), plain_ids(form.prompt + form.rejected, true)}, false);
}

RowEncoder::Answers RowEncoder::answers(const PairChat& form) {
  return split(chat_ids(form.prompt, true),
               {chat_ids(joined(form.prompt, form.chosen), false), chat_ids(joined(form.prompt, form.rejected), false)},
               true);
}

RowEncoder::Answers RowEncoder::answers(const PairTokens& form) {
  check_ids(form.prompt, "prompt_ids");
  check_ids(form.chosen, "chosen_ids");
  check_ids(form.rejected, "rejected_ids");
  return {form.prompt, {form.chosen, form.rejected}};
}

void RowEncoder::drop(Drop reason, const std::string& detail) {
  const std::string message = cat("[", where_, "] must ", detail);
  if (options_.bad_row == BadRow::error && reason != Drop::tie) throw DataError(message);
  EncodeReport& report = out_.report_;
  ++(reason == Drop::long_prompt ? report.long_prompts
     : reason == Drop::no_target ? report.without_targets
                                 : report.ties);
  if (report.first_dropped.size() < kShownDrops) report.first_dropped.push_back(message);
}

void RowEncoder::keep(TokenExample example, const std::vector<std::string>& preference_ids, bool truncated) {
  EncodeReport& report = out_.report_;
  ++report.kept;
  report.truncated += truncated ? 1 : 0;
  report.tokens += example.rows();
  report.targets += example.targets();
  out_.examples_.push_back(std::move(example));
  out_.where_.push_back(where_);
  out_.preference_ids_.push_back(preference_ids);
}

void RowEncoder::add(const SftRow& row) {
  where_ = row.where;
  ++out_.report_.rows;
  TokenSequence tokens = std::visit([&](const auto& form) { return sequence(form); }, row.form);
  if (!tokens.weights.empty()) tokens.weights[0] = 0.0F;
  const auto trained =
      std::find_if(tokens.weights.begin(), tokens.weights.end(), [](float weight) { return weight != 0.0F; });
  if (trained == tokens.weights.end())
    return drop(Drop::no_target, "have something to train, but no token of it is an answer's.");
  const auto limit = static_cast<size_t>(options_.max_length);
  const auto prompt = static_cast<size_t>(trained - tokens.weights.begin());
  if (prompt >= limit) {
    return drop(Drop::long_prompt,
                cat("have a prompt below max_length = ", limit, " tokens, but it has ", prompt, "."));
  }
  const bool truncated = tokens.ids.size() > limit;
  if (truncated) {
    tokens.ids.resize(limit);
    tokens.weights.resize(limit);
  }
  TokenExample example;
  example.sequences.push_back(std::move(tokens));
  keep(std::move(example), row.preference_ids, truncated);
}

void RowEncoder::add(const PairRow& row) {
  where_ = row.where;
  ++out_.report_.rows;
  const auto label = training_label(row.soft_label, options_.labels);
  if (!label) return drop(Drop::tie, "have a better answer under label_mode=hard, but it is an exact tie.");
  Answers parts = std::visit([&](const auto& form) { return answers(form); }, row.form);
  const auto limit = static_cast<size_t>(options_.max_length);
  const size_t prompt = parts.prompt.size();
  if (prompt >= limit) {
    return drop(Drop::long_prompt,
                cat("have a prompt below max_length = ", limit, " tokens, but it has ", prompt, "."));
  }
  TokenExample example{std::move(parts.prompt), {}, label->soft_label, row.margin.value_or(label->margin), row.weight};
  bool truncated = false;
  for (auto& ids : parts.ids) {
    if (ids.size() > limit - prompt) {
      truncated = true;
      ids.resize(limit - prompt);
    }
    if (ids.size() < (prompt == 0 ? 2U : 1U))
      return drop(Drop::no_target, "have two answers of at least one trained token, but has not.");
    example.sequences.push_back(trained_from(std::move(ids), 0));
  }
  keep(std::move(example), row.preference_ids, truncated);
}

EncodedRows RowEncoder::finish() {
  if (out_.report_.kept == 0) {
    throw DataError(
        cat("[datasets.encode] must have at least one row to train on, but has none: ", out_.report_.summary(), "."),
        out_.report_.first_dropped.empty() ? "" : out_.report_.first_dropped.front());
  }
  return std::move(out_);
}

}  // namespace afina::datasets
