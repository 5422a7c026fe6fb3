// SPDX-License-Identifier: Apache-2.0
// The small golden models with their adapters, and logits of a model with or without one.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lora/peft.h"
#include "model/training_model.h"
#include "tests/model/tiny_golden.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::lora {

using model::expect_logits;
using model::TinyGolden;

inline std::filesystem::path llama31() {
  return golden_path("tiny/llama31");
}

inline std::vector<int> tiny_ids() {
  return TinyGolden(llama31()).ids();
}

inline at::Tensor logits_of(std::shared_ptr<const model::Model> model, const std::vector<int>& ids,
                            const model::Adapter* adapter = nullptr) {
  model::TrainingModel training(std::move(model));
  return training.logits(model::whole_text(ids), TinyGolden::all_rows(ids), adapter).clone();
}

inline std::string message_of(const auto& run) {
  try {
    run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace afina::lora
