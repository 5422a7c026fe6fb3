// SPDX-License-Identifier: Apache-2.0
// Any bytes as adapter_config.json: refused with a ModelError, or its layers are found (or refused with a UsageError)
// and what we write of it says the same.
#include <cstdint>

#include "base/error.h"
#include "lora/config/peft_config.h"
#include "lora/config/targets.h"
#include "tests/fuzz/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace afina::lora;
  const DecoderShape shape{.layers = 3, .hidden = 24, .q_size = 16, .kv_size = 8, .ffn = 40, .vocab = 50};
  try {
    const PeftConfig config = parse_peft_config({reinterpret_cast<const char*>(data), size}, "adapter_config.json");
    const std::string text = peft_config_text(config);
    afina::require(peft_config_text(parse_peft_config(text, "written")) == text, "what is written says the same");
    for (const auto& target : find_targets(config.lora, shape, UnmatchedNames::allow).modules)
      afina::require(target.r >= 1 && target.scale > 0, "every target has a rank and a scale");
  } catch (const afina::ModelError&) {
  } catch (const afina::UsageError&) {
  }
  return 0;
}
