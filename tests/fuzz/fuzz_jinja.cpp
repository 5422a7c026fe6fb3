// SPDX-License-Identifier: Apache-2.0
// Any bytes as a chat template: refused with a ModelError, or its render of a chat ends within limits, is UTF-8, and
// its marks lie inside, sorted and apart.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "tests/fuzz/oracle.h"
#include "text/jinja.h"

namespace {

using afina::OrderedJson;
using afina::require;
using afina::text::JinjaLimits;
using afina::text::JinjaTemplate;
using afina::text::TextRange;

const OrderedJson& variables() {
  static const OrderedJson all = {{"messages",
                                   {{{"role", "system"}, {"content", "Sé breve."}},
                                    {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "hola"}}}}},
                                    {{"role", "assistant"},
                                     {"content", nullptr},
                                     {"tool_calls", {{{"function", {{"name", "f"}, {"arguments", {{"n", 1.5}}}}}}}}},
                                    {{"role", "user"}, {"content", "<|im_end|> ñ"}}}},
                                  {"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}},
                                  {"documents", nullptr},
                                  {"add_generation_prompt", true},
                                  {"bos_token", "<s>"}};
  return all;
}

void inside_and_apart(const std::vector<TextRange>& ranges, size_t size) {
  size_t end = 0;
  for (const TextRange& range : ranges) {
    require(range.begin >= end && range.begin < range.end && range.end <= size, "marks are sorted, apart and inside");
    end = range.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  JinjaLimits limits;
  limits.steps = 100'000;
  limits.value_characters = size_t{1} << 18;
  limits.held_bytes = size_t{16} << 20;
  limits.stack_bytes = size_t{1} << 20;
  limits.seconds = 3;
  try {
    const JinjaTemplate one(std::string(reinterpret_cast<const char*>(data), size), limits);
    const auto rendered = one.render(variables(), [](const std::string& format) { return format; });
    require(afina::is_valid_utf8(rendered.text), "a render is UTF-8");
    inside_and_apart(rendered.from_people, rendered.text.size());
    inside_and_apart(rendered.generation, rendered.text.size());
  } catch (const afina::ModelError&) {
  } catch (const afina::DataError&) {
  }
  return 0;
}
