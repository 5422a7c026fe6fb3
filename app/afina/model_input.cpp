// SPDX-License-Identifier: Apache-2.0
#include "app/afina/model_input.h"

#include "base/error.h"
#include "lora/gguf_adapter.h"
#include "lora/peft.h"
#include "text/messages.h"

namespace afina::app {

std::unique_ptr<lora::AdapterSet> read_adapter(const std::string& path, const model::ModelConfig& config) {
  if (lora::is_gguf_adapter(path)) return lora::read_gguf_adapter(path, config);
  return lora::load_peft(path, lora::shape_of(config));
}

ModelInput::ModelInput(const std::string& model, const std::string& adapter)
    : path_(model),
      // What bitsandbytes itself computes with such a folder on this kind of machine; other models are not affected.
      weights_(model::load_model(model, {.nf4_arithmetic = model::Nf4Arithmetic::bitsandbytes_cpu})) {
  if (!adapter.empty()) adapter_ = lora::load_adapter(adapter, weights_);
}

const text::TextStack& ModelInput::text() {
  if (!text_) text_ = text::load_text_stack(path_);
  return *text_;
}

const text::TextStack* ModelInput::text_if_any() {
  if (!text_ && !text_missing_) {
    try {
      text_ = text::load_text_stack(path_);
    } catch (const NotFound&) {
      text_missing_ = true;
    }
  }
  return text_ ? &*text_ : nullptr;
}

std::vector<int> ModelInput::stop_ids() {
  const text::TextStack* text = text_if_any();
  return text != nullptr ? text->tokenizer->end_ids() : weights_->config().eos_ids;
}

std::vector<int> ModelInput::ids_of_line(const OrderedJson& line, const std::string& where, bool generation_prompt,
                                         bool parse_special) {
  if (line.contains("ids") == line.contains("messages"))
    throw DataError(cat("[", where, "] must have either ids or messages, but has ",
                        line.contains("ids") ? "both" : "neither", "."));
  if (line.contains("messages")) {
    text::ChatInput chat = text::parse_chat(line, where);
    chat.options.add_generation_prompt = generation_prompt || chat.options.add_generation_prompt;
    chat.options.parse_special = parse_special;
    chat.options.with_mask = false;
    const auto ids = text().encoder().encode(chat.messages, chat.options).ids;
    return {ids.begin(), ids.end()};
  }
  const OrderedJson& list = line["ids"];
  if (!list.is_array()) throw DataError(cat("[", where, "] ids must be a list, but are not."));
  const int64_t vocabulary = weights_->config().vocab_size;
  std::vector<int> ids;
  ids.reserve(list.size());
  for (const auto& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= vocabulary)
      throw DataError(cat("[", where, "] ids must be whole numbers from 0 to ", vocabulary - 1, ", but one is ",
                          dump_json(id), "."));
    ids.push_back(id.get<int>());
  }
  if (ids.empty()) throw DataError(cat("[", where, "] ids must hold at least one, but hold none."));
  return ids;
}

}  // namespace afina::app
