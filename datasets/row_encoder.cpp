// SPDX-License-Identifier: Apache-2.0
#include "datasets/row_encoder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace afina::datasets {
namespace {

constexpr size_t kShownDrops = 5;

size_t longest_kept(const EncodeRowsOptions& options) {
  if (options.long_row != LongRow::keep) return static_cast<size_t>(options.max_length);
  return options.context > 0 ? static_cast<size_t>(options.context) : std::numeric_limits<size_t>::max();
}

std::vector<float>::const_iterator first_trained(const std::vector<float>& weights) {
  return std::find_if(weights.begin(), weights.end(), [](float weight) { return weight != 0.0F; });
}

void cut(TokenSequence& sequence, size_t length) {
  sequence.ids.resize(std::min(length, sequence.ids.size()));
  sequence.weights.resize(sequence.ids.size());
}

}  // namespace

RowEncoder::RowEncoder(TextSource text, const EncodeRowsOptions& options, TokenRecordsWriter& out)
    : options_(options),
      tokens_(std::move(text), options_),
      out_(out),
      limit_(static_cast<size_t>(options.max_length)),
      longest_(longest_kept(options)) {
  if (options.max_length < 2)
    throw UsageError(cat("[datasets.encode] must have max_length of 2 or more, but got ", options.max_length, "."));
}

void RowEncoder::begin(const std::string& where) {
  where_ = where;
  ++report_.rows;
}

void RowEncoder::drop(Drop reason, const std::string& detail) {
  const std::string message = cat("[", where_, "] must ", detail);
  const bool asked = reason == Drop::tie || (reason == Drop::long_row && options_.long_row == LongRow::drop);
  if (!asked && options_.bad_row == BadRow::error) throw DataError(message);
  ++(reason == Drop::long_prompt ? report_.long_prompts
     : reason == Drop::long_row  ? report_.long_rows
     : reason == Drop::no_target ? report_.without_targets
                                 : report_.ties);
  if (report_.first_dropped.size() < kShownDrops) report_.first_dropped.push_back(message);
}

bool RowEncoder::fits(size_t tokens, size_t prompt) {
  if (prompt >= longest_) {
    const char* bound = options_.long_row == LongRow::keep ? "the model's context" : "max_length";
    drop(Drop::long_prompt, cat("have a prompt below ", bound, " = ", longest_, " tokens, but it has ", prompt, "."));
    return false;
  }
  if (tokens <= limit_) return true;
  switch (options_.long_row) {
    case LongRow::cut:
      ++report_.truncated;
      return true;
    case LongRow::keep:
      if (tokens > longest_) break;
      ++report_.over_length;
      return true;
    case LongRow::error:
      throw DataError(cat("[", where_, "] must have at most max_length = ", limit_, " tokens, but has ", tokens, "."),
                      "long_rows=cut, keep or drop says what else to do with it");
    case LongRow::drop:
      break;
  }
  drop(Drop::long_row, cat("have at most ", longest_, " tokens, but has ", tokens, "."));
  return false;
}

void RowEncoder::keep(TokenExample example, const std::vector<std::string>& preference_ids) {
  ++report_.kept;
  report_.merged_boundaries += tokens_.merged() ? 1 : 0;
  report_.tokens += example.rows();
  report_.targets += example.targets();
  out_.add({std::move(example), where_, preference_ids});
}

void RowEncoder::add(const SftRow& row) {
  begin(row.where);
  TokenSequence tokens = tokens_.sequence(row);
  if (options_.pieces == Pieces::wrapped) return wrap(std::move(tokens), row.preference_ids);
  if (!tokens.weights.empty()) tokens.weights[0] = 0.0F;
  const auto trained = first_trained(tokens.weights);
  if (trained == tokens.weights.end())
    return drop(Drop::no_target, "have something to train, but no token of it is an answer's.");
  if (options_.pieces == Pieces::split && tokens.ids.size() > limit_)
    return add_pieces(std::move(tokens), row.preference_ids);
  if (!fits(tokens.ids.size(), static_cast<size_t>(trained - tokens.weights.begin()))) return;
  cut(tokens, longest_);
  TokenExample example;
  example.sequences.push_back(std::move(tokens));
  keep(std::move(example), row.preference_ids);
}

std::optional<TokenExample> RowEncoder::with_answers(PromptAnswers parts, TokenExample example) {
  size_t longest = 0;
  for (const auto& ids : parts.answers)
    longest = std::max(longest, ids.size());
  const size_t prompt = parts.prompt.size();
  const size_t least = prompt == 0 && !options_.score ? 2 : 1;
  if (!fits(prompt + longest, prompt)) return std::nullopt;
  for (auto& ids : parts.answers) {
    ids.resize(std::min(ids.size(), longest_ - prompt));
    if (ids.size() < least) {
      drop(Drop::no_target, "have answers of at least one trained token each, but has not.");
      return std::nullopt;
    }
    TokenSequence sequence{std::move(ids), {}};
    sequence.weights.assign(sequence.ids.size(), 1.0F);
    example.sequences.push_back(std::move(sequence));
  }
  example.prefix_ids = std::move(parts.prompt);
  example.score = options_.score;
  return example;
}

void RowEncoder::weigh_extra_tokens(TokenExample& example) const {
  size_t shared = std::numeric_limits<size_t>::max();
  for (const TokenSequence& sequence : example.sequences)
    shared = std::min(shared, sequence.ids.size());
  for (TokenSequence& sequence : example.sequences) {
    std::fill(sequence.weights.begin() + static_cast<std::ptrdiff_t>(shared), sequence.weights.end(),
              static_cast<float>(options_.ld_alpha));
  }
}

void RowEncoder::add(const PairRow& row) {
  if (options_.unpair) {
    for (const UnpairedRow& one : unpair(row)) {
      ++report_.unpaired;
      add(one);
    }
    return;
  }
  begin(row.where);
  const auto label = training_label(row.soft_label, options_.labels);
  if (!label) return drop(Drop::tie, "have a better answer under label_mode=hard, but it is an exact tie.");
  TokenExample labels;
  labels.soft_label = label->soft_label;
  labels.margin = row.margin.value_or(label->margin);
  labels.weight = row.weight;
  if (options_.labels.mode == LabelMode::soft) labels.tie = row.tie;
  auto example = with_answers(tokens_.answers(row), std::move(labels));
  if (!example) return;
  weigh_extra_tokens(*example);
  if (options_.train_prompt) example->prefix_weights.assign(example->prefix_ids.size(), 1.0F);
  keep(std::move(*example), row.preference_ids);
}

void RowEncoder::add(const UnpairedRow& row) {
  begin(row.where);
  const bool hard = options_.labels.mode == LabelMode::hard;
  if (hard && row.label == 0.5) return drop(Drop::tie, "be good or bad under label_mode=hard, but is an exact tie.");
  TokenExample labels;
  labels.soft_label = hard ? (row.label > 0.5 ? 1.0 : 0.0) : row.label;
  labels.weight = row.weight;
  auto example = with_answers(tokens_.answers(row), std::move(labels));
  if (example) keep(std::move(*example), row.preference_ids);
}

void RowEncoder::add(const RankingRow& row) {
  begin(row.where);
  TokenExample labels;
  labels.weight = row.weight;
  auto example = with_answers(tokens_.answers(row), std::move(labels));
  if (example) keep(std::move(*example), row.preference_ids);
}

void RowEncoder::keep_piece(TokenSequence piece, const std::string& name,
                            const std::vector<std::string>& preference_ids) {
  piece.weights[0] = 0.0F;
  // A piece without targets is no row that was lost: the rest of its row is trained.
  if (first_trained(piece.weights) == piece.weights.end()) return;
  ++report_.pieces;
  TokenExample example;
  example.sequences.push_back(std::move(piece));
  where_ = name;
  keep(std::move(example), preference_ids);
}

void RowEncoder::add_pieces(TokenSequence tokens, const std::vector<std::string>& preference_ids) {
  const std::string row = where_;
  for (size_t first = 0, number = 1; first < tokens.ids.size(); first += limit_, ++number) {
    const auto begin = static_cast<std::ptrdiff_t>(first);
    const auto end = static_cast<std::ptrdiff_t>(std::min(first + limit_, tokens.ids.size()));
    keep_piece({{tokens.ids.begin() + begin, tokens.ids.begin() + end},
                {tokens.weights.begin() + begin, tokens.weights.begin() + end}},
               cat(row, " piece ", number), preference_ids);
  }
}

void RowEncoder::wrap(TokenSequence tokens, const std::vector<std::string>& preference_ids) {
  waiting_.push_back({where_, preference_ids, tokens.ids.size()});
  wrapped_.ids.insert(wrapped_.ids.end(), tokens.ids.begin(), tokens.ids.end());
  wrapped_.weights.insert(wrapped_.weights.end(), tokens.weights.begin(), tokens.weights.end());
  while (wrapped_.ids.size() - emitted_ >= limit_)
    emit_wrapped(limit_);
  const auto done = static_cast<std::ptrdiff_t>(std::exchange(emitted_, 0));
  wrapped_.ids.erase(wrapped_.ids.begin(), wrapped_.ids.begin() + done);
  wrapped_.weights.erase(wrapped_.weights.begin(), wrapped_.weights.begin() + done);
}

void RowEncoder::emit_wrapped(size_t tokens) {
  const auto begin = static_cast<std::ptrdiff_t>(emitted_), end = begin + static_cast<std::ptrdiff_t>(tokens);
  TokenSequence piece{{wrapped_.ids.begin() + begin, wrapped_.ids.begin() + end},
                      {wrapped_.weights.begin() + begin, wrapped_.weights.begin() + end}};
  emitted_ += tokens;
  const std::string first = waiting_.front().where;
  std::string last;
  std::vector<std::string> ids;
  while (tokens > 0) {
    Waiting& row = waiting_.front();
    const size_t taken = std::min(tokens, row.tokens);
    last = row.where;
    ids.insert(ids.end(), row.preference_ids.begin(), row.preference_ids.end());
    row.tokens -= taken;
    tokens -= taken;
    if (row.tokens == 0) waiting_.erase(waiting_.begin());
  }
  keep_piece(std::move(piece), first == last ? first : cat(first, " to ", last), ids);
}

EncodedRows RowEncoder::finish() {
  if (!wrapped_.ids.empty()) emit_wrapped(wrapped_.ids.size());
  if (report_.kept == 0) {
    throw DataError(
        cat("[datasets.encode] must have at least one row to train on, but has none: ", report_.summary(), "."),
        report_.first_dropped.empty() ? "" : report_.first_dropped.front());
  }
  return {out_.finish(to_json(report_)), report_};
}

}  // namespace afina::datasets
