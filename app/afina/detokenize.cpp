// SPDX-License-Identifier: Apache-2.0
// `afina detokenize`: ids to text, line by line.
#include <iostream>

#include "app/afina/jsonl_loop.h"
#include "app/afina/verbs.h"
#include "base/cat.h"
#include "base/error.h"
#include "text/text_stack.h"

namespace afina::app {
namespace {

std::vector<int32_t> ids_of(const OrderedJson& line, const std::string& where) {
  const auto found = line.find("ids");
  if (found == line.end() || !found->is_array()) {
    throw DataError(cat("[", where, "] must have a list of token ids as \"ids\", but has none"));
  }
  std::vector<int32_t> ids;
  ids.reserve(found->size());
  for (const OrderedJson& id : *found) {
    const bool fits = id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() <= INT32_MAX;
    if (!fits) {
      throw DataError(cat("[", where, "] must have token ids in \"ids\", but entry ", ids.size(), " is ",
                          dump_json(id).substr(0, 40)));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

int detokenize(const std::string& model, bool skip_special, const std::stop_token& stop) {
  const text::TextStack stack = text::load_text_stack(model);
  return run_jsonl(
      [&](const OrderedJson& line, const std::string& where) -> OrderedJson {
        return {{"text", stack.tokenizer->decode(ids_of(line, where), skip_special)}};
      },
      stop);
}

}  // namespace

void add_detokenize(CLI::App& app, Context& context) {
  const auto model = std::make_shared<std::string>();
  const auto skip_special = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("detokenize", "Token ids to text, line by line");
  verb->add_option("--model", *model, "GGUF file, Hugging Face folder or tokenizer.json")->required();
  verb->add_flag("--skip-special", *skip_special, "Leave control tokens out of the text");
  verb->add_flag("--jsonl")->description("Lines {\"ids\"} on stdin to lines {\"text\"} on stdout; the only form");
  verb->callback([model, skip_special, &context] {
    context.run = [model, skip_special, &context] { return detokenize(*model, *skip_special, context.stop); };
  });
}

}  // namespace afina::app
