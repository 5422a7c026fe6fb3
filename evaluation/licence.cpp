// SPDX-License-Identifier: Apache-2.0
#include "evaluation/licence.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace afina::evaluation {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTextBytes = size_t{4} << 20;
constexpr int64_t kLlama3Vocabulary = 128'256;

struct LlamaRow {
  const char *id, *name, *prefix, *words;
};
constexpr LlamaRow kLlama[] = {
    {"llama2", "Llama 2", "", ""},
    {"llama3", "Meta Llama 3", "Llama 3", "Built with Meta Llama 3"},
    {"llama3.1", "Llama 3.1", "Llama", "Built with Llama"},
    {"llama3.2", "Llama 3.2", "Llama", "Built with Llama"},
    {"llama3.3", "Llama 3.3", "Llama", "Built with Llama"},
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string text_of(const fs::path& file) {
  std::error_code code;
  return fs::is_regular_file(file, code) && fs::file_size(file, code) <= kMaxTextBytes ? read_file(file) : "";
}

/// `license: llama3.1` between the two --- of a model card.
std::string front_matter_licence(const std::string& card) {
  if (!card.starts_with("---")) return "";
  const std::string head = card.substr(0, card.find("\n---", 3));
  const size_t at = head.find("\nlicense:");
  if (at == std::string::npos) return "";
  std::string value = head.substr(at + 9, head.find('\n', at + 9) - at - 9);
  std::erase_if(value, [](char c) { return c == ' ' || c == '"' || c == '\'' || c == '\r'; });
  return lower(value);
}

std::string licence_of_title(const std::string& text) {
  const std::string head = lower(text.substr(0, 400));
  if (head.find("apache license") != std::string::npos) return "apache-2.0";
  if (head.find("mit license") != std::string::npos) return "mit";
  std::string found;  // the longest id wins: "llama 3" is part of "llama 3.1"
  for (const LlamaRow& row : kLlama) {
    const std::string name = lower(row.name);
    const size_t at = head.find(name.substr(name.find("llama")) + " community license");
    if (at != std::string::npos && std::string(row.id).size() > found.size()) found = row.id;
  }
  return found;
}

Licence of_folder(const fs::path& base) {
  if (const auto id = front_matter_licence(text_of(base / "README.md")); !id.empty()) return {id, "README.md"};
  for (const fs::path& file : licence_files(base))
    if (const auto id = licence_of_title(text_of(file)); !id.empty()) return {id, file.filename().string()};
  const std::string config = text_of(base / "config.json");
  if (config.empty()) return {};
  const Json json = parse_json(config, (base / "config.json").string());
  if (json.is_object() && json.value("vocab_size", Json()) == kLlama3Vocabulary) return {"", "Llama 3's vocabulary"};
  return {};
}

Licence of_gguf(const fs::path& base) {
  const formats::GgufFile file(base);
  if (const auto id = file.find_string("general.license")) return {lower(std::string(*id)), "general.license"};
  const auto tokens = file.find_raw("tokenizer.ggml.tokens");
  if (tokens != nullptr && static_cast<int64_t>(tokens->count) == kLlama3Vocabulary)
    return {"", "Llama 3's vocabulary"};
  return {};
}

}  // namespace

Licence find_licence(const std::string& given, const fs::path& base) {
  if (!given.empty()) return {lower(given), "--license"};
  std::error_code code;
  const Licence found = fs::is_directory(base, code) ? of_folder(base) : of_gguf(base);
  if (found.id.empty())
    throw ModelError(cat("[export] the licence of ", base.filename().string(), " must be known, but only ",
                         found.found_in, " hints at one of the Llama licences."),
                     "--license llama3.1 (or the one of your base) names it");
  return found;
}

LicenceDuties duties_of(const Licence& licence) {
  for (const LlamaRow& row : kLlama) {
    if (licence.id != row.id) continue;
    const std::string name = row.name;
    return {row.prefix,
            cat(name, " is licensed under the ", name,
                " Community License, Copyright © Meta Platforms, Inc. All Rights "
                "Reserved."),
            row.words, cat(name, " Community License Agreement")};
  }
  if (licence.id.starts_with("llama"))
    throw ModelError(cat("[export] the duties of licence '", licence.id, "' must be known, but are not."),
                     "known: llama2, llama3, llama3.1, llama3.2, llama3.3");
  return {};
}

std::vector<fs::path> licence_files(const fs::path& base) {
  std::vector<fs::path> out;
  std::error_code code;
  if (!fs::is_directory(base, code)) return out;
  for (const auto& entry : fs::directory_iterator(base)) {
    const std::string name = lower(entry.path().filename().string());
    if (entry.is_regular_file() && (name.starts_with("license") || name.starts_with("use_policy")))
      out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string name_with_prefix(const std::string& name, bool given_by_user, const LicenceDuties& duties) {
  if (duties.name_prefix.empty() || name.starts_with(duties.name_prefix)) return name;
  std::string prefixed = duties.name_prefix + "-" + name;
  std::replace(prefixed.begin(), prefixed.end(), ' ', '-');
  if (given_by_user)
    throw UsageError(cat("[export] --name must begin with \"", duties.name_prefix, "\", as the ", duties.agreement,
                         " asks of anything made from it, but is \"", name, "\"."),
                     cat("--name ", prefixed));
  return prefixed;
}

}  // namespace afina::evaluation
