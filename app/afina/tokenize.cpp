// SPDX-License-Identifier: Apache-2.0
// `afina tokenize`: how a model sees a text or a chat, token by token, with the mask of what would be trained; and the
// check that its chat template and its end tokens fit together.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "app/afina/jsonl_loop.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/messages.h"
#include "text/text_stack.h"

namespace afina::app {
namespace {

struct TokenizeOptions {
  std::string model, text, messages_file, date;
  bool parse_special = false, add_special = false, generation_prompt = false, check = false, json = false;
  bool jsonl = false;
};

constexpr size_t kMaxInputBytes = size_t{16} << 20;

std::string read_input(const std::string& file) {
  return file == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : read_file(file, kMaxInputBytes);
}

// One line a token: id, T where it would be trained, its bytes as a JSON string.
void print_tokens(const text::Tokenizer& tokenizer, const text::EncodedChat& chat) {
  for (size_t i = 0; i < chat.ids.size(); ++i) {
    const std::string shown = dump_json(Json(repair_utf8(tokenizer.token_bytes(chat.ids[i]))));
    std::printf("%7d %c %s\n", chat.ids[i], chat.assistant_mask[i] != 0 ? 'T' : ' ', shown.c_str());
  }
}

int check(const text::TextStack& stack, bool as_json) {
  const std::vector<std::string> findings = text::check_template(stack);
  if (as_json) {
    std::cout << dump_json(OrderedJson{{"findings", findings}}) << "\n";
  } else {
    for (const std::string& finding : findings)
      std::cout << finding << "\n";
    if (findings.empty()) std::cerr << "The chat template, the tokenizer and the end tokens fit together.\n";
  }
  return findings.empty() ? 0 : exit_code(ErrorKind::model);
}

// {"text"} to {"ids"}, line by line.
int tokenize_lines(const text::Tokenizer& tokenizer, const text::EncodeOptions& how, const std::stop_token& stop) {
  return run_jsonl(
      [&](const OrderedJson& line, const std::string& where) -> OrderedJson {
        const auto found = line.find("text");
        if (found == line.end() || !found->is_string()) {
          throw DataError(cat("[", where, "] must have a text as \"text\", but has none"));
        }
        return {{"ids", tokenizer.encode(found->get_ref<const std::string&>(), how)}};
      },
      stop);
}

int tokenize(const TokenizeOptions& options, const std::stop_token& stop) {
  const text::TextStack stack = text::load_text_stack(options.model);
  const text::EncodeOptions how{.parse_special = options.parse_special, .add_special = options.add_special};
  if (options.jsonl) return tokenize_lines(*stack.tokenizer, how, stop);
  if (options.check) return check(stack, options.json);
  text::EncodedChat chat;
  if (options.messages_file.empty()) {
    chat.text = options.text == "-" ? read_input("-") : options.text;
    chat.ids = stack.tokenizer->encode(chat.text, how);
    chat.assistant_mask.assign(chat.ids.size(), 0);
  } else {
    const std::string& file = options.messages_file;
    text::ChatInput input = text::parse_chat(parse_ordered_json(read_input(file), file), file);
    if (options.generation_prompt) input.options.add_generation_prompt = true;
    input.options.parse_special = options.parse_special;
    if (!options.date.empty()) input.options.date = options.date;
    chat = stack.encoder().encode(input.messages, input.options);
  }
  if (!options.json) {
    print_tokens(*stack.tokenizer, chat);
    std::fprintf(stderr, "%zu tokens, %zu bytes\n", chat.ids.size(), chat.text.size());
    return 0;
  }
  OrderedJson out = {{"ids", chat.ids}, {"text", chat.text}};
  if (!options.messages_file.empty()) {
    out["assistant_mask"] = chat.assistant_mask;
    out["template_sha256"] = stack.chat_template->sha256();
    out["date"] = chat.date;
  }
  std::cout << dump_json(out) << "\n";
  return 0;
}

}  // namespace

void add_tokenize(CLI::App& app, Context& context) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* verb = app.add_subcommand("tokenize", "Show how a model sees a text or a chat, token by token");
  verb->add_option("--model", options->model, "GGUF file, Hugging Face folder or tokenizer.json")->required();
  CLI::Option* text = verb->add_option("--text", options->text, "Plain text; - reads stdin");
  CLI::Option* messages =
      verb->add_option("--messages", options->messages_file, "JSON list of {role, content}; - reads stdin")
          ->excludes(text);
  verb->add_flag("--parse-special", options->parse_special, "Control tokens that people spelled become control tokens");
  verb->add_flag("--add-special", options->add_special, "Add BOS and EOS as the vocabulary asks");
  verb->add_flag("--jsonl", options->jsonl,
                 "Lines {\"text\"} on stdin to lines {\"ids\"} on stdout; also without --text")
      ->excludes(text)
      ->excludes(messages);
  verb->add_flag("--generation-prompt", options->generation_prompt, "End with the beginning of an answer")
      ->needs(messages);
  verb->add_option("--date", options->date, cat("The day that the template sees (default ", text::kFrozenDate, ")"))
      ->needs(messages);
  CLI::Option* check_flag =
      verb->add_flag("--check", options->check, "Check that template, tokenizer and end tokens fit together");
  verb->add_flag("--json", options->json, "One JSON object on stdout");
  verb->callback([options, text, messages, check_flag, &context] {
    if (text->count() + messages->count() + check_flag->count() == 0) options->jsonl = true;
    context.run = [options, &context] { return tokenize(*options, context.stop); };
  });
}

}  // namespace afina::app
