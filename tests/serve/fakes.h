// SPDX-License-Identifier: Apache-2.0
// A model for tests without a model: a tokenizer of single bytes, a chat template, and a decoder that recites a text.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>

#include "serve/sequence_decoder.h"
#include "text/byte_alphabet.h"
#include "text/text_stack.h"
#include "text/vocabulary.h"

namespace afina::serve {

inline constexpr int kStartId = 256, kEndId = 257;

/// Every byte a token; BOS where it is asked for. A template that knows tools.
inline text::TextStack byte_stack() {
  text::Tokenizer::Vocabulary vocabulary;
  vocabulary.where = "bytes";
  for (int c = 0; c < 256; ++c)
    vocabulary.tokens.push_back(text::token_of_bytes(std::string(1, static_cast<char>(c))));
  vocabulary.kinds.assign(256, text::TokenKind::normal);
  for (const char* token : {"<|im_start|>", "<|im_end|>"}) {
    vocabulary.tokens.push_back(token);
    vocabulary.kinds.push_back(text::TokenKind::control);
  }
  vocabulary.bos_id = kStartId;
  vocabulary.add_bos = true;
  vocabulary.eos_id = kEndId;
  auto tokenizer = std::make_shared<text::Tokenizer>(std::move(vocabulary));
  auto chat_template = std::make_shared<text::ChatTemplate>(
      "{% if tools %}<|im_start|>tools\n{% for t in tools %}{{ t.function.name }};{% endfor %}<|im_end|>\n{% endif %}"
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
      "{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments.city }}){% endfor %}<|im_end|>\n"
      "{% endfor %}{% if loud %}!{% endif %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
      std::map<std::string, std::string>{});
  return {tokenizer, chat_template};
}

inline text::ChatEncoder byte_encoder() {
  return byte_stack().encoder();
}

/// What a test sees and steers; shared with the decoder.
struct Recital {
  std::mutex mutex;
  std::condition_variable changed;
  std::string text = "hola";           ///< recited byte by byte, then the end token
  bool endless = false, held = false;  ///< held: steps wait
  bool fails = false;                  ///< steps throw
  int active = 0, most_together = 0, added = 0, removed = 0;
  std::vector<model::SamplingParams> params;
  std::vector<std::vector<int>> prompts;
  std::vector<const model::Adapter*> adapters;

  template <typename Condition>
  bool eventually(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(5), condition);
  }
  void set_held(bool value) {
    std::lock_guard lock(mutex);
    held = value;
    changed.notify_all();
  }
};

class RecitingDecoder final : public SequenceDecoder {
 public:
  explicit RecitingDecoder(std::shared_ptr<Recital> recital) : recital_(std::move(recital)) {}

  model::SequenceId add(std::vector<int> prompt_ids, const model::SamplingParams& params,
                        std::shared_ptr<const model::Adapter> adapter) override {
    if (prompt_ids.size() > 500) throw UsageError("[generator] must get a shorter prompt.");
    std::lock_guard lock(recital_->mutex);
    ++recital_->added;
    recital_->params.push_back(params);
    recital_->adapters.push_back(adapter.get());
    recital_->prompts.push_back(prompt_ids);
    sequences_[++last_] = {0, params, std::move(prompt_ids)};
    note();
    return last_;
  }
  std::vector<model::TokenEvent> step() override {
    std::unique_lock lock(recital_->mutex);
    recital_->changed.wait_for(lock, std::chrono::seconds(5), [&] { return !recital_->held; });
    if (recital_->fails) throw ModelError("[generator] must not fail, but did.");
    std::vector<model::TokenEvent> events;
    for (auto it = sequences_.begin(); it != sequences_.end();) {
      auto& [at, params, prompt] = it->second;
      const std::string& text = recital_->text;
      model::TokenEvent event{.sequence = it->first, .token = kEndId, .logprob = -0.5};
      if (at < text.size() || recital_->endless) event.token = static_cast<unsigned char>(text[at % text.size()]);
      event.top = scores(params, event.token);
      for (size_t i = 1; at == 0 && params.prompt_logprobs && i < prompt.size(); ++i)
        event.prompt.push_back({-static_cast<double>(i), scores(params, 'x')});
      ++at;
      if (event.token == kEndId) event.finish = model::FinishReason::stop;
      if (event.token != kEndId && at >= static_cast<size_t>(params.max_new_tokens))
        event.finish = model::FinishReason::length;
      events.push_back(event);
      it = event.finish == model::FinishReason::none ? std::next(it) : sequences_.erase(it);
    }
    note();
    return events;
  }
  bool remove(model::SequenceId sequence) override {
    std::lock_guard lock(recital_->mutex);
    ++recital_->removed;
    const bool known = sequences_.erase(sequence) > 0;
    note();
    return known;
  }

 private:
  void note() {
    recital_->active = static_cast<int>(sequences_.size());
    recital_->most_together = std::max(recital_->most_together, recital_->active);
    recital_->changed.notify_all();
  }
  /// The chosen token, then '0', '1', … with -1, -2, … nats.
  static std::vector<std::pair<int, double>> scores(const model::SamplingParams& params, int chosen) {
    std::vector<std::pair<int, double>> top;
    for (int i = 0; i < params.top_logprobs; ++i)
      top.emplace_back(i == 0 ? chosen : '0' + i - 1, i == 0 ? -0.5 : -i);
    return top;
  }
  struct Sequence {
    size_t at;
    model::SamplingParams params;
    std::vector<int> prompt;
  };
  std::shared_ptr<Recital> recital_;
  std::map<model::SequenceId, Sequence> sequences_;
  model::SequenceId last_ = 0;
};

}  // namespace afina::serve
