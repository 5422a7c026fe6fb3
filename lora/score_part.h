// SPDX-License-Identifier: Apache-2.0
// A reward model's head: transformers' `score` of LlamaForSequenceClassification with one label, trained beside LoRA.
// It lies at the end of AdapterSet's flat buffer (LoraConfig::score_head) and in PEFT's files as a module to save.
#pragma once
#include <string_view>

namespace afina::lora {

/// Its path in transformers; the file's tensor is "base_model.model.score.weight" [1, hidden].
inline constexpr std::string_view kScorePath = "score";
/// Standard deviation of its first values (transformers' initializer_range): N(0, 0.02^2) from the run's seed.
inline constexpr double kScoreDeviation = 0.02;

}  // namespace afina::lora
