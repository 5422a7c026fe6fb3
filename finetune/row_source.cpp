// SPDX-License-Identifier: Apache-2.0
#include "finetune/row_source.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/error.h"
#include "base/hash.h"
#include "formats/gguf.h"
#include "formats/jsonl.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

enum class Form { sft, pair, unpaired, ranking };

bool has_any(const Json& row, std::initializer_list<const char*> names) {
  return row.is_object() &&
         std::any_of(names.begin(), names.end(), [&](const char* name) { return row.contains(name); });
}

// The form of a file, by its first row. A wrong one is refused when that row is parsed as what the kind needs.
Form form_of(RunKind kind, const Json& first) {
  switch (kind) {
    case RunKind::sft:
      return Form::sft;
    case RunKind::dpo:
      return has_any(first, {"completions", "completions_ids"}) ? Form::ranking : Form::pair;
    case RunKind::kto:
    case RunKind::bco:
      return has_any(first, {"chosen", "chosen_ids"}) && !has_any(first, {"label"}) ? Form::pair : Form::unpaired;
    case RunKind::cpo:
    case RunKind::orpo:
    case RunKind::reward:
      return Form::pair;
  }
  return Form::pair;
}

Form form_of(RunKind kind, const fs::path& file) {
  formats::JsonlReader reader(file);
  const auto first = reader.next();
  return first ? form_of(kind, *first) : form_of(kind, Json());
}

datasets::AnyRow parse(Form form, const Json& row, const std::string& where) {
  switch (form) {
    case Form::sft:
      return datasets::parse_sft_row(row, where);
    case Form::pair:
      return datasets::parse_pair_row(row, where);
    case Form::unpaired:
      return datasets::parse_unpaired_row(row, where);
    case Form::ranking:
      return datasets::parse_ranking_row(row, where);
  }
  throw InternalError("[finetune.rows] must know every form of a row.");
}

void hash_file(Sha256& sha, const fs::path& path) {
  if (fs::is_regular_file(path)) sha.update(cat(path.filename().string(), "\n", sha256_file_hex(path.string()), "\n"));
}

}  // namespace

SourceRows read_rows(RunKind kind, const fs::path& file) {
  switch (form_of(kind, file)) {
    case Form::sft:
      return datasets::read_sft_rows(file);
    case Form::pair:
      return datasets::read_pair_rows(file);
    case Form::unpaired:
      return datasets::read_unpaired_rows(file);
    case Form::ranking:
      return datasets::read_ranking_rows(file);
  }
  return datasets::read_pair_rows(file);
}

bool has_text(const SourceRows& rows) {
  return std::visit(
      [](const auto& list) {
        return std::any_of(list.begin(), list.end(), [](const auto& row) {
          using Row = std::decay_t<decltype(row)>;
          if constexpr (std::is_same_v<Row, datasets::SftRow>) {
            return !std::holds_alternative<datasets::TokenForm>(row.form);
          } else if constexpr (std::is_same_v<Row, datasets::PairRow>) {
            return !std::holds_alternative<datasets::PairTokens>(row.form);
          } else if constexpr (std::is_same_v<Row, datasets::UnpairedRow>) {
            return !std::holds_alternative<datasets::CompletionTokens>(row.form);
          } else {
            return !std::holds_alternative<datasets::RankingTokens>(row.form);
          }
        });
      },
      rows);
}

RowSource file_source(RunKind kind, const fs::path& file) {
  const Form form = form_of(kind, file);
  RowSource source;
  source.identity = sha256_file_hex(file.string());
  // The name stands in every row's lineage, so it is a part of what is cached.
  source.identity = sha256_hex(cat(source.identity, "\n", file.string()));
  source.open = [form, file]() -> datasets::RowStream {
    auto reader = std::make_shared<formats::JsonlReader>(file);
    return [form, reader]() -> std::optional<datasets::AnyRow> {
      const auto row = reader->next();
      if (!row) return std::nullopt;
      return parse(form, *row, reader->where());
    };
  };
  return source;
}

RowSource list_source(const SourceRows& rows, std::string identity) {
  RowSource source;
  source.identity = std::move(identity);
  source.open = [&rows]() -> datasets::RowStream {
    return [&rows, next = size_t{0}]() mutable {
      return std::visit(
          [&next](const auto& list) -> std::optional<datasets::AnyRow> {
            if (next >= list.size()) return std::nullopt;
            return list[next++];
          },
          rows);
    };
  };
  return source;
}

std::string text_identity(const fs::path& model) {
  Sha256 sha;
  if (fs::is_directory(model)) {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "chat_template.jinja", "chat_template.json", "generation_config.json", "config.json"})
      hash_file(sha, model / name);
    return sha.finish_hex();
  }
  if (model.extension() == ".json") {
    hash_file(sha, model);
    return sha.finish_hex();
  }
  const formats::GgufFile file(model);
  for (const std::string& key : file.keys()) {
    if (!key.starts_with("tokenizer.")) continue;
    const formats::GgufValue& value = *file.find_raw(key);
    sha.update(cat(key, "\n", value.bytes.size(), "\n"));
    sha.update(value.bytes.data(), value.bytes.size());
  }
  return sha.finish_hex();
}

}  // namespace afina::finetune
