// SPDX-License-Identifier: Apache-2.0
// Writes any model that can be read as one GGUF file that llama.cpp and Ollama load (llama.cpp conversion/, ggml
// docs/gguf.md): metadata, tokenizer and tensors, q and k rows permuted where the architecture wants it. Of a GGUF, all
// metadata is copied as it is.
#pragma once
#include <filesystem>
#include <string>

#include "formats/ggml_types.h"
#include "model/convert/weight_reader.h"

namespace afina::model {

/// What general.* keys say; empty fields are left out (or as the source GGUF has them).
struct GgufIdentity {
  std::string name, license, base_model;
  std::vector<std::string> languages;
};

/// Matrices become `type` (rows that are no whole blocks: F16; vectors and norms: F32). Streams tensor by tensor into a
/// temporary sibling; the file appears whole or not at all. Throws UsageError for a type that cannot be written,
/// ModelError where the tokenizer cannot be expressed, Cancelled, StorageError.
void write_gguf(const WeightReader& from, const std::filesystem::path& to, formats::GgmlType type,
                const GgufIdentity& identity, const ConvertOptions& options);

}  // namespace afina::model
