// SPDX-License-Identifier: Apache-2.0
// `afina render`: chats to the text, ids and mask that a model is trained on, line by line.
#include <iostream>

#include "app/afina/jsonl_loop.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "text/messages.h"
#include "text/text_stack.h"

namespace afina::app {
namespace {

struct RenderArguments {
  std::string model, date;
  bool parse_special = false;
};

OrderedJson render_line(const text::ChatEncoder& encoder, text::ChatInput input) {
  OrderedJson mask_error;
  text::EncodedChat chat;
  try {
    chat = encoder.encode(input.messages, input.options);
  } catch (const DataError& error) {
    // A chat that cannot be trained on can still be shown; what is wrong in other ways throws again.
    input.options.with_mask = false;
    chat = encoder.encode(input.messages, input.options);
    mask_error = error.what();
  }
  OrderedJson out = {{"text", chat.text}, {"ids", chat.ids}, {"mask", chat.assistant_mask}};
  if (!mask_error.is_null()) {
    out["mask"] = nullptr;
    out["mask_error"] = mask_error;
  }
  return out;
}

int render(const RenderArguments& arguments, const std::stop_token& stop) {
  const text::TextStack stack = text::load_text_stack(arguments.model);
  const text::ChatEncoder encoder = stack.encoder();
  return run_jsonl(
      [&](const OrderedJson& line, const std::string& where) {
        text::ChatInput input = text::parse_chat(line, where);
        input.options.parse_special = arguments.parse_special;
        if (!arguments.date.empty() && !line.contains("date")) input.options.date = arguments.date;
        return render_line(encoder, std::move(input));
      },
      stop);
}

}  // namespace

void add_render(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<RenderArguments>();
  CLI::App* verb = app.add_subcommand("render", "Chats to text, ids and assistant mask, line by line");
  verb->add_option("--model", arguments->model, "GGUF file, Hugging Face folder or tokenizer.json")->required();
  verb->add_flag("--parse-special", arguments->parse_special,
                 "Control tokens that people spelled become control tokens");
  verb->add_option("--date", arguments->date, cat("The day that the template sees (default ", text::kFrozenDate, ")"));
  verb->add_flag("--jsonl")->description(
      "Lines {\"messages\", …} on stdin to lines {\"text\",\"ids\",\"mask\"}; the only form");
  verb->callback(
      [arguments, &context] { context.run = [arguments, &context] { return render(*arguments, context.stop); }; });
}

}  // namespace afina::app
