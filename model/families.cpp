// SPDX-License-Identifier: Apache-2.0
#include "model/families.h"

#include <algorithm>

#include "model/config.h"

namespace afina::model {

std::span<const Family> families() {
  static const Family table[] = {{"llama", "LlamaForCausalLM", "llama", 0, 0, 2048, 1e4, false, 1, 2, true, true, false,
                                  false, false, Window::never, 0},
                                 {"mistral", "MistralForCausalLM", "llama", 8, 0, 4096 * 32, 1e4, false, 1, 2, false,
                                  false, false, false, false, Window::always, 4096},
                                 {"qwen2", "Qwen2ForCausalLM", "qwen2", 32, 0, 32768, 1e4, false, -1, -1, false, false,
                                  true, false, false, Window::optional, 4096},
                                 {"qwen3", "Qwen3ForCausalLM", "qwen3", 32, 128, 32768, 1e4, false, -1, -1, true, false,
                                  false, true, false, Window::optional, 4096},
                                 {"smollm3", "SmolLM3ForCausalLM", "smollm3", 4, 0, 32768, 2e6, true, 128000, 128001,
                                  true, true, false, false, true, Window::optional, 0}};
  return table;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names)
    out += (out.empty() ? "" : ", ") + name;
  return out;
}

const std::vector<std::string>& supported_architectures() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Family& family : families())
      out.emplace_back(family.architecture);
    return out;
  }();
  return names;
}

const std::vector<std::string>& supported_gguf_architectures() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Family& family : families())
      if (std::find(out.begin(), out.end(), family.gguf_architecture) == out.end())
        out.emplace_back(family.gguf_architecture);
    return out;
  }();
  return names;
}

}  // namespace afina::model
