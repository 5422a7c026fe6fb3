// SPDX-License-Identifier: Apache-2.0
// Rows as a kind of run reads them: which of the forms, whole or one by one, and what a cache knows them by.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "datasets/encode.h"
#include "finetune/config/run_enums.h"

namespace afina::finetune {

/// Rows as they were read. sft: SFT rows; dpo: pairs or rankings; cpo, orpo, reward: pairs; kto, bco: unpaired rows, or
/// pairs, which are unpaired when they are encoded.
using SourceRows = std::variant<std::vector<datasets::SftRow>, std::vector<datasets::PairRow>,
                                std::vector<datasets::UnpairedRow>, std::vector<datasets::RankingRow>>;

/// Reads a JSONL file in the form that the kind trains on; where there are two, its first row tells which. Throws as
/// datasets::read_sft_rows() and its likes.
SourceRows read_rows(RunKind kind, const std::filesystem::path& file);
/// True where a tokenizer is needed: some row holds text instead of ids.
bool has_text(const SourceRows& rows);

/// Rows that can be read again and again, one at a time.
struct RowSource {
  std::string identity;  ///< SHA-256 of the content; part of a cache's key. Empty: not cached
  std::function<datasets::RowStream()> open;
};
/// A JSONL file, which is never held in memory whole. Throws NotFound or StorageError; reading its rows throws as
/// read_rows().
RowSource file_source(RunKind kind, const std::filesystem::path& file);
/// rows must outlive it. identity: names them as a file's SHA-256 would (a snapshot's hash, its split, what was
/// withdrawn since).
RowSource list_source(const SourceRows& rows, std::string identity);

/// SHA-256 over what decides how a model turns text into ids: the tokenizer's and the templates' files of its folder,
/// or a GGUF's metadata of them. Throws NotFound, ModelError.
std::string text_identity(const std::filesystem::path& model);

}  // namespace afina::finetune
