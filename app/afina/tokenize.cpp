// SPDX-License-Identifier: Apache-2.0
// `afina tokenize`: how a model sees a text or a chat, token by token, with the mask of what would be trained; and the
// check that its chat template and its end tokens fit together.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/text_stack.h"

namespace afina::app {
namespace {

struct TokenizeOptions {
  std::string model, text, messages_file;
  std::string date = text::kFrozenDate;
  bool parse_special = false, generation_prompt = false, check = false, json = false;
};

constexpr size_t kMaxInputBytes = size_t{16} << 20;

std::string read_input(const std::string& file) {
  return file == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : read_file(file, kMaxInputBytes);
}

std::vector<text::Message> read_messages(const std::string& file) {
  Json list = parse_json(read_input(file), file);
  if (list.is_object() && list.contains("messages")) list = Json(list["messages"]);
  std::vector<text::Message> messages;
  for (const Json& item : list) {
    if (!item.is_object() || !item.value("role", Json()).is_string() || !item.value("content", Json()).is_string()) {
      throw DataError(cat("[", file, "] must be a list of {role, content}, but message ", messages.size(), " is none"));
    }
    messages.push_back({item["role"].get<std::string>(), item["content"].get<std::string>()});
  }
  return messages;
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

int tokenize(const TokenizeOptions& options) {
  const text::TextStack stack = text::load_text_stack(options.model);
  if (options.check) return check(stack, options.json);
  text::EncodedChat chat;
  if (options.messages_file.empty()) {
    chat.text = options.text == "-" ? read_input("-") : options.text;
    chat.ids = stack.tokenizer->encode(chat.text, {.parse_special = options.parse_special});
    chat.assistant_mask.assign(chat.ids.size(), 0);
  } else {
    chat = stack.encoder().encode(read_messages(options.messages_file),
                                  {.add_generation_prompt = options.generation_prompt,
                                   .parse_special = options.parse_special,
                                   .date = options.date});
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
  verb->add_option("--model", options->model, "GGUF file or Hugging Face folder")->required();
  CLI::Option* text = verb->add_option("--text", options->text, "Plain text; - reads stdin");
  CLI::Option* messages =
      verb->add_option("--messages", options->messages_file, "JSON list of {role, content}; - reads stdin")
          ->excludes(text);
  verb->add_flag("--parse-special", options->parse_special, "Control tokens that people spelled become control tokens");
  verb->add_flag("--generation-prompt", options->generation_prompt, "End with the beginning of an answer")
      ->needs(messages);
  verb->add_option("--date", options->date, "The day that the template sees")->needs(messages)->capture_default_str();
  CLI::Option* check_flag =
      verb->add_flag("--check", options->check, "Check that template, tokenizer and end tokens fit together");
  verb->add_flag("--json", options->json, "One JSON object on stdout");
  verb->callback([options, text, messages, check_flag, &context] {
    if (text->count() + messages->count() + check_flag->count() == 0) {
      throw CLI::ValidationError("tokenize", "needs --text, --messages or --check");
    }
    context.run = [options] { return tokenize(*options); };
  });
}

}  // namespace afina::app
