// SPDX-License-Identifier: Apache-2.0
#include "datasets/row_tokens.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace afina::datasets {
namespace {

// Templates that rewrite the past (thinking removed, …) part from their prompt far from its end; a merged token does
// not.
constexpr size_t kMostMergedTokens = 4;

TokenSequence trained_from(std::vector<int> ids, size_t first) {
  TokenSequence sequence{std::move(ids), {}};
  sequence.weights.assign(sequence.ids.size(), 0.0F);
  std::fill(sequence.weights.begin() + static_cast<std::ptrdiff_t>(std::min(first, sequence.ids.size())),
            sequence.weights.end(), 1.0F);
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

RowTokens::RowTokens(TextSource text, const EncodeRowsOptions& options) : source_(std::move(text)), options_(options) {}

const text::TextStack* RowTokens::text() {
  if (!text_) text_ = source_ ? source_() : nullptr;
  return *text_;
}

const text::TextStack& RowTokens::stack() {
  if (text() == nullptr)
    throw DataError(cat("[", where_, "] must be pre-tokenised where no tokenizer is given, but is text."));
  return *text();
}

const text::ChatEncoder& RowTokens::encoder() {
  if (!encoder_) encoder_ = stack().encoder();
  return *encoder_;
}

std::vector<int> RowTokens::plain_ids(const std::string& text, bool with_end) {
  const text::Tokenizer& tokenizer = *stack().tokenizer;
  std::vector<int> ids = tokenizer.encode(text, {.parse_special = options_.parse_special, .add_special = true});
  const auto end = tokenizer.eos_id();
  if (with_end && end && (ids.empty() || ids.back() != *end)) ids.push_back(*end);
  return ids;
}

std::vector<int> RowTokens::chat_ids(const Messages& messages, bool generation_prompt) {
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

const std::vector<int>& RowTokens::checked(const std::vector<int>& ids, const char* column) {
  int limit = options_.vocab_size;
  if (limit == 0) limit = text() != nullptr ? text()->tokenizer->vocab_size() : std::numeric_limits<int>::max();
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](int id) { return id < 0 || id >= limit; });
  if (bad != ids.end()) {
    throw DataError(cat("[", where_, "] must have ids below ", limit, " in \"", column, "\", but got ", *bad, "."),
                    "was the file made with another model's tokenizer?");
  }
  return ids;
}

// Turns are told apart by the runs of the mask: between two of them stands at least the header of a message.
std::vector<float> RowTokens::turn_weights(const ChatForm& form, const std::vector<uint8_t>& mask) const {
  std::vector<float> weights(mask.begin(), mask.end());
  if (form.weights.empty()) return weights;
  AFINA_CHECK(form.weights.size() == form.messages.size(), "a weight for each message");
  std::vector<float> turns;
  for (size_t i = 0; i < form.messages.size(); ++i) {
    if (form.messages[i].role == "assistant") turns.push_back(form.weights[i]);
  }
  size_t turn = 0;
  for (size_t t = 0; t < mask.size(); ++t) {
    if (mask[t] == 0) continue;
    if (turn < turns.size()) weights[t] = turns[turn];
    if (t + 1 == mask.size() || mask[t + 1] == 0) ++turn;
  }
  if (turn != turns.size()) {
    throw DataError(cat("[", where_, "] must render each of its ", turns.size(),
                        " assistant turns as one piece to weigh them, but the model's template makes ", turn, "."),
                    "leave out the weights, or give the row pre-tokenised");
  }
  return weights;
}

TokenSequence RowTokens::form(const ChatForm& form) {
  if (!options_.assistant_only_loss) {
    if (!form.weights.empty()) {
      throw DataError(cat("[", where_, "] must have messages without weights where every token is trained, but has."),
                      "set assistant_only_loss=true, or remove the weights");
    }
    return trained_from(chat_ids(form.messages, false), 0);
  }
  try {
    auto chat = encoder().encode(form.messages, {.parse_special = options_.parse_special});
    std::vector<float> weights = turn_weights(form, chat.assistant_mask);
    return {std::move(chat.ids), std::move(weights)};
  } catch (const DataError& error) {
    if (std::string_view(error.what()).starts_with(cat("[", where_, "]"))) throw;
    throw DataError(cat("[", where_, "] must be a chat that the model's template takes, but: ", error.what()));
  }
}

PromptAnswers RowTokens::split(std::vector<int> prompt, std::vector<std::vector<int>> full, bool is_chat) {
  size_t shared = prompt.size();
  for (const auto& ids : full)
    shared = std::min(shared, shared_length(prompt, ids));
  if (is_chat && shared + kMostMergedTokens < prompt.size()) {
    throw DataError(
        cat("[", where_, "] must render the prompt alike with and without its answer, but the renders part at token ",
            shared, " of ", prompt.size(), "."),
        "the model's template rewrites earlier turns; give the row pre-tokenised");
  }
  merged_ = shared < prompt.size();
  prompt.resize(shared);
  for (auto& ids : full)
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(shared));
  return {std::move(prompt), std::move(full)};
}

TokenSequence RowTokens::form(const CompletionForm& form) {
  std::vector<int> full = plain_ids(form.prompt + form.completion, true);
  if (!options_.completion_only_loss) return trained_from(std::move(full), 0);
  const size_t prompt = split(plain_ids(form.prompt, false), {full}, false).prompt.size();
  return trained_from(std::move(full), prompt);
}

TokenSequence RowTokens::form(const ChatCompletionForm& form) {
  std::vector<int> full = chat_ids(joined(form.prompt, form.completion), false);
  if (!options_.completion_only_loss) return trained_from(std::move(full), 0);
  const size_t prompt = split(chat_ids(form.prompt, true), {full}, true).prompt.size();
  return trained_from(std::move(full), prompt);
}

TokenSequence RowTokens::form(const TextForm& form) {
  return trained_from(plain_ids(form.text, true), 0);
}

TokenSequence RowTokens::form(const TokenForm& form) {
  TokenSequence sequence{checked(form.input_ids, "input_ids"), {}};
  for (const int label : form.labels)
    sequence.weights.push_back(label < 0 ? 0.0F : 1.0F);
  return sequence;
}

PromptAnswers RowTokens::text_answers(const std::string& prompt, const std::vector<const std::string*>& answers) {
  std::vector<std::vector<int>> full;
  for (const std::string* answer : answers)
    full.push_back(plain_ids(prompt + *answer, true));
  return split(plain_ids(prompt, false), std::move(full), false);
}

PromptAnswers RowTokens::chat_answers(const Messages& prompt, const std::vector<const Messages*>& answers) {
  std::vector<std::vector<int>> full;
  for (const Messages* answer : answers)
    full.push_back(chat_ids(joined(prompt, *answer), false));
  return split(chat_ids(prompt, true), std::move(full), true);
}

PromptAnswers RowTokens::token_answers(const std::vector<int>& prompt,
                                       const std::vector<const std::vector<int>*>& answers,
                                       const std::vector<const char*>& columns) {
  PromptAnswers out{checked(prompt, "prompt_ids"), {}};
  for (size_t i = 0; i < answers.size(); ++i)
    out.answers.push_back(checked(*answers[i], columns[std::min(i, columns.size() - 1)]));
  return out;
}

TokenSequence RowTokens::sequence(const SftRow& row) {
  where_ = row.where;
  merged_ = false;
  return std::visit([this](const auto& kind) { return form(kind); }, row.form);
}

PromptAnswers RowTokens::answers(const PairRow& row) {
  where_ = row.where;
  merged_ = false;
  if (const auto* text = std::get_if<PairText>(&row.form))
    return text_answers(text->prompt, {&text->chosen, &text->rejected});
  if (const auto* chat = std::get_if<PairChat>(&row.form))
    return chat_answers(chat->prompt, {&chat->chosen, &chat->rejected});
  const auto& ids = std::get<PairTokens>(row.form);
  return token_answers(ids.prompt, {&ids.chosen, &ids.rejected}, {"chosen_ids", "rejected_ids"});
}

PromptAnswers RowTokens::answers(const UnpairedRow& row) {
  where_ = row.where;
  merged_ = false;
  if (const auto* text = std::get_if<CompletionForm>(&row.form)) return text_answers(text->prompt, {&text->completion});
  if (const auto* chat = std::get_if<ChatCompletionForm>(&row.form))
    return chat_answers(chat->prompt, {&chat->completion});
  const auto& ids = std::get<CompletionTokens>(row.form);
  return token_answers(ids.prompt, {&ids.completion}, {"completion_ids"});
}

PromptAnswers RowTokens::answers(const RankingRow& row) {
  where_ = row.where;
  merged_ = false;
  const auto pointers = [](const auto& list) {
    std::vector<decltype(list.data())> out;
    for (const auto& item : list)
      out.push_back(&item);
    return out;
  };
  if (const auto* text = std::get_if<RankingText>(&row.form))
    return text_answers(text->prompt, pointers(text->completions));
  if (const auto* chat = std::get_if<RankingChat>(&row.form))
    return chat_answers(chat->prompt, pointers(chat->completions));
  const auto& ids = std::get<RankingTokens>(row.form);
  return token_answers(ids.prompt, pointers(ids.completions), {"completions_ids"});
}

}  // namespace afina::datasets
