// SPDX-License-Identifier: Apache-2.0
// README.md of what is published: front matter as the Hugging Face Hub reads it, then what it was made from, on which
// data, under which licences, how it was evaluated, and what the publish gate measured.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluation/licence.h"
#include "evaluation/publish_gate.h"

namespace afina::evaluation {

/// What is known of the training, from the run's folder (run.json, metrics.jsonl).
struct Training {
  std::string run_id, method, source, data_sha256;
  int64_t rows = 0, eval_rows = 0;
  OrderedJson config = OrderedJson::object();
  std::vector<std::pair<std::string, double>> evaluation;  ///< the last held-out figures: "eval_loss", …
};
/// The run of an adapter: `adapter`'s parent folder where it holds run.json. Empty where there is none; throws
/// DataError for a broken record.
Training read_training(const std::filesystem::path& run_folder);

struct ModelCard {
  std::string name, base_model, format;  ///< format: "PEFT adapter", "merged weights, BF16", …
  bool is_adapter = false;
  Licence licence;
  LicenceDuties duties;
  std::vector<std::string> languages;
  std::string adapter_sha256, base_sha256;
  Training training;
  GateReport gate;
};
/// Markdown. Names and texts are made harmless for the front matter (quoted) and for tables.
std::string model_card_text(const ModelCard& card);

}  // namespace afina::evaluation
