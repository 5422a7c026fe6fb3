// SPDX-License-Identifier: Apache-2.0
#include "evaluation/model_card.h"

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "formats/jsonl.h"

namespace afina::evaluation {
namespace {

namespace fs = std::filesystem;

/// As a YAML double-quoted scalar, which JSON strings are.
std::string quoted(const std::string& text) {
  return dump_json(Json(text));
}

/// One line of Markdown without table marks or HTML.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += ' ';
    } else if (c == '|' || c == '`' || c == '*' || c == '_' || c == '[' || c == ']') {
      out += std::string("\\") + c;
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string front_matter(const ModelCard& card) {
  std::string out = "---\n";
  const bool known = card.licence.id != "unknown";
  out += cat("license: ", known ? quoted(card.licence.id) : "other", "\n");
  out += cat("base_model: ", quoted(card.base_model), "\n");
  out += cat("base_model_relation: ", card.is_adapter ? "adapter" : "finetune", "\n");
  out += cat("library_name: ", card.is_adapter ? "peft" : "transformers", "\n");
  out += "pipeline_tag: text-generation\n";
  if (!card.languages.empty()) {
    out += "language:\n";
    for (const std::string& language : card.languages)
      out += cat("- ", quoted(language), "\n");
  }
  std::vector<std::string> tags = {"afina", "transformers"};
  if (card.is_adapter) {
    tags.push_back("lora");
    tags.push_back("base_model:adapter:" + card.base_model);
  }
  std::sort(tags.begin(), tags.end());
  out += "tags:\n";
  for (const std::string& tag : tags)
    out += cat("- ", quoted(tag), "\n");
  return out + "---\n";
}

std::string training_text(const Training& training) {
  if (training.run_id.empty()) return "Nothing is recorded of the training (no run folder was given).\n";
  std::string out =
      cat("- method: ", plain(training.method), ", run ", plain(training.run_id), "\n- data: ", plain(training.source),
          ", ", training.rows, " rows, SHA-256 ", plain(training.data_sha256), "\n");
  for (const auto& [key, value] : training.config.items())
    if (key == "learning_rate" || key == "beta" || key == "r" || key == "lora_alpha" || key == "target_modules" ||
        key == "num_train_epochs" || key == "max_steps" || key == "seed")
      out += cat("- ", plain(key), ": ", plain(dump_json(value)), "\n");
  return out;
}

std::string evaluation_text(const Training& training) {
  if (training.evaluation.empty()) return "No held-out figures are recorded.\n";
  std::string out =
      cat("On ", training.eval_rows, " held-out rows, at the end of training:\n\n| metric | value |\n| --- | --- |\n");
  for (const auto& [name, value] : training.evaluation)
    out += cat("| ", plain(name), " | ", number(value), " |\n");
  return out;
}

std::string gate_text(const GateReport& gate) {
  return cat(
      "Before publishing, the files were loaded again and compared with base and adapter on ", gate.rows.size(),
      " stored prompts, every position:\n\n| figure | value |\n| --- | --- |\n| largest difference of a logit | ",
      number(gate.max_logit_difference), " |\n| mean divergence, nats a token | ", number(gate.mean_divergence),
      " |\n| what the adapter itself changes, nats a token | ", number(gate.effect), " |\n| same likeliest token | ",
      number(100 * gate.top1_agreement), " % |\n");
}

std::string licence_text(const ModelCard& card) {
  std::string out = cat("Base: ", plain(card.base_model), ", licence ", plain(card.licence.id),
                        card.licence.found_in.empty() ? "" : cat(" (from ", plain(card.licence.found_in), ")"), ". ");
  out += "What was trained on top is under the same terms unless its publisher says otherwise.\n";
  if (!card.duties.words.empty()) out += cat("\n**", card.duties.words, "**\n");
  if (!card.duties.agreement.empty())
    out += cat("\nThe ", card.duties.agreement, " goes along with these files; NOTICE holds its notice.\n");
  return out;
}

}  // namespace

Training read_training(const fs::path& run_folder) {
  const fs::path record = run_folder / "run.json";
  Training out;
  std::error_code code;
  if (!fs::exists(record, code)) return out;
  const OrderedJson run = parse_ordered_json(read_file(record, size_t{1} << 24), record.string());
  if (!run.is_object()) throw DataError(cat("[", record.string(), "] must be a JSON object, but is not."));
  const auto text = [&](const char* key) {
    return run.contains(key) && run[key].is_string() ? run[key].get<std::string>() : std::string();
  };
  const auto count = [&](const char* key) {
    return run.contains(key) && run[key].is_number_integer() ? run[key].get<int64_t>() : int64_t{0};
  };
  out.run_id = text("run_id");
  out.method = text("kind");
  out.source = text("source");
  out.data_sha256 = text("data_sha256");
  out.rows = count("rows");
  out.eval_rows = count("eval_rows");
  if (run.contains("config") && run["config"].is_object()) out.config = run["config"];
  const fs::path metrics = run_folder / "metrics.jsonl";
  if (!fs::exists(metrics, code)) return out;
  formats::JsonlReader reader(metrics);
  while (const auto line = reader.next()) {
    std::vector<std::pair<std::string, double>> found;
    for (const auto& [key, value] : line->items())
      if (key.starts_with("eval_") && value.is_number()) found.emplace_back(key, value.get<double>());
    if (!found.empty()) out.evaluation = std::move(found);
  }
  return out;
}

std::string model_card_text(const ModelCard& card) {
  std::string out = front_matter(card);
  out += cat("\n# ", plain(card.name), "\n\n", card.format, " made with Afina from ", plain(card.base_model), ".\n");
  out += "\n## Base\n\n";
  out += cat("- model: ", plain(card.base_model), "\n- weights' SHA-256: ", card.base_sha256, "\n");
  if (!card.adapter_sha256.empty()) out += cat("- adapter's SHA-256: ", card.adapter_sha256, "\n");
  out += "\n## Training\n\n" + training_text(card.training);
  out += "\n## Evaluation\n\n" + evaluation_text(card.training);
  out += "\n## Publish gate\n\n" + gate_text(card.gate);
  out += "\n## Licence\n\n" + licence_text(card);
  return out;
}

}  // namespace afina::evaluation
