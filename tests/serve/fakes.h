// SPDX-License-Identifier: Apache-2.0
// A model for tests without a model: a tokenizer of single bytes, a chat template, and a decoder that recites a text.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>

#include "serve/sequence_decoder.h"
#include "text/byte_alphabet.h"
#include "text/chat_encoder.h"
#include "text/vocabulary.h"

namespace afina::serve {

inline constexpr int kStartId = 256, kEndId = 257;

inline text::ChatEncoder byte_encoder() {
  text::Tokenizer::Vocabulary vocabulary;
  vocabulary.where = "bytes";
  for (int c = 0; c < 256; ++c)
    vocabulary.tokens.push_back(text::token_of_bytes(std::string(1, static_cast<char>(c))));
  vocabulary.kinds.assign(256, text::TokenKind::normal);
  for (const char* token : {"<|im_start|>", "<|im_end|>"}) {
    vocabulary.tokens.push_back(token);
    vocabulary.kinds.push_back(text::TokenKind::control);
  }
  vocabulary.eos_id = kEndId;
  auto tokenizer = std::make_shared<text::Tokenizer>(std::move(vocabulary));
  auto chat_template = std::make_shared<text::ChatTemplate>(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
      std::map<std::string, std::string>{});
  return {tokenizer, chat_template};
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
    sequences_[++last_] = {0, params};
    note();
    return last_;
  }
  std::vector<model::TokenEvent> step() override {
    std::unique_lock lock(recital_->mutex);
    recital_->changed.wait_for(lock, std::chrono::seconds(5), [&] { return !recital_->held; });
    if (recital_->fails) throw ModelError("[generator] must not fail, but did.");
    std::vector<model::TokenEvent> events;
    for (auto it = sequences_.begin(); it != sequences_.end();) {
      auto& [at, params] = it->second;
      const std::string& text = recital_->text;
      model::TokenEvent event{it->first, kEndId, -0.5, model::FinishReason::none};
      if (at < text.size() || recital_->endless) event.token = static_cast<unsigned char>(text[at % text.size()]);
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
  struct Sequence {
    size_t at;
    model::SamplingParams params;
  };
  std::shared_ptr<Recital> recital_;
  std::map<model::SequenceId, Sequence> sequences_;
  model::SequenceId last_ = 0;
};

}  // namespace afina::serve
