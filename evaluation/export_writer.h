// SPDX-License-Identifier: Apache-2.0
// The writing half of an export: which converter and which merge make the files of a format. No proof, no card.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "evaluation/export.h"
#include "lora/adapter_set.h"

namespace afina::evaluation {

struct Written {
  std::filesystem::path artifact;  ///< what a program loads: the folder, or the GGUF inside it
  std::string type;                ///< the narrowest type weights were rounded to: "F32" where nothing was
  std::string description;         ///< for the card: "Merged weights (BF16)"
  std::vector<std::string> notes;
};

/// Makes folder `publish` with the files of request.format, each tensor read, changed and rounded once. adapter: null
/// for a conversion without one. Throws UsageError for a type that the format cannot hold.
Written write_export(const ExportRequest& request, const std::string& name, const lora::AdapterSet* adapter,
                     const model::Model& base, const std::filesystem::path& publish);

}  // namespace afina::evaluation
