// SPDX-License-Identifier: Apache-2.0
// What verbs that run a model share: weights, an adapter of either kind, and the tokenizer only where a line asks for
// text, since ids need none.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "lora/adapter_set.h"
#include "model/adapter.h"
#include "model/model.h"
#include "text/text_stack.h"

namespace afina::app {

/// A PEFT folder or GGUF adapter for a base of this config, without the base's weights: to merge, compose or convert.
std::unique_ptr<lora::AdapterSet> read_adapter(const std::string& path, const model::ModelConfig& config);

class ModelInput {
 public:
  /// Loads weights and, where adapter is not empty, a PEFT folder or GGUF adapter that fits them.
  ModelInput(const std::string& model, const std::string& adapter);

  const std::shared_ptr<const model::Model>& weights() const { return weights_; }
  const std::shared_ptr<const model::Adapter>& adapter() const { return adapter_; }
  /// Loaded at the first call. Throws NotFound or ModelError where the model carries none.
  const text::TextStack& text();
  /// Null where the model carries none; never throws for that.
  const text::TextStack* text_if_any();
  /// Ends of generation: the tokenizer's, else the config's.
  std::vector<int> stop_ids();
  /// "ids" as they are, or "messages" rendered. Throws DataError.
  std::vector<int> ids_of_line(const OrderedJson& line, const std::string& where, bool generation_prompt,
                               bool parse_special);

 private:
  std::string path_;
  std::shared_ptr<const model::Model> weights_;
  std::shared_ptr<const model::Adapter> adapter_;
  std::optional<text::TextStack> text_;
  bool text_missing_ = false;
};

}  // namespace afina::app
