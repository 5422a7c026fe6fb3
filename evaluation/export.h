// SPDX-License-Identifier: Apache-2.0
// Publishing: writes an adapter, merged weights or a GGUF of either with its model card and licence files, and lets the
// folder appear only after the publish gate has passed on the very files.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/model_card.h"

namespace afina::evaluation {

/// peft: PEFT folder; hf: merged Hugging Face folder; gguf: merged GGUF; gguf_adapter: LoRA for llama.cpp.
enum class ExportFormat { peft, hf, gguf, gguf_adapter };
std::string_view to_string(ExportFormat format);
bool from_string(std::string_view word, ExportFormat& out);

struct ExportRequest {
  ExportFormat format = ExportFormat::peft;
  std::filesystem::path base, adapter;  ///< adapter: PEFT folder or GGUF adapter; empty: the base itself (hf, gguf)
  std::filesystem::path out;            ///< new folder
  std::string type;        ///< "f32", "f16", "bf16", "q8_0", …; empty: peft F32, hf as the base, gguf F16
  std::string name;        ///< empty: the adapter's or base's folder name
  std::string base_model;  ///< public id; empty: what the adapter says, else the base's file name
  std::string license;     ///< empty: found in the base
  std::vector<std::filesystem::path> licence_files;  ///< copies of the agreement; empty: the base's own
  std::vector<std::string> languages;
  std::filesystem::path run;      ///< run folder; empty: the adapter's parent where it is one
  std::filesystem::path prompts;  ///< of the gate; empty: the stored ones
  bool dry_run = false;           ///< prove, then remove what was written
  std::function<void(const std::string& what, int64_t done, int64_t total)> progress;
  std::stop_token stop;
};

struct ExportReport {
  std::filesystem::path out;
  std::vector<std::string> files;
  std::string name;
  std::vector<std::string> notes;
  GateReport gate;
};

/// Throws Conflict where `out` exists, UsageError for combinations that make no sense, ModelError where something
/// cannot be expressed or the gate does not pass (nothing is left behind then), Cancelled, StorageError.
ExportReport export_model(const ExportRequest& request);

}  // namespace afina::evaluation
