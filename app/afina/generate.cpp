// SPDX-License-Identifier: Apache-2.0
// `afina generate`: one answer of a model, with or without an adapter, streamed to stdout.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <utility>

#include "app/afina/jsonl_loop.h"
#include "app/afina/model_input.h"
#include "app/afina/verbs.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/generator.h"
#include "model/threads.h"
#include "text/messages.h"

namespace afina::app {
namespace {

struct GenerateOptions {
  std::string model, adapter, prompt, messages_file, system;
  model::SamplingParams params{.max_new_tokens = 256, .temperature = 0.0};
  int threads = 0;
  bool raw = false, json = false, jsonl = false, greedy = false, parse_special = false;
};

std::vector<text::Message> read_messages(const GenerateOptions& options) {
  std::vector<text::Message> messages;
  if (options.messages_file.empty()) {
    if (!options.system.empty()) messages.push_back({"system", options.system});
    messages.push_back({"user", options.prompt});
    return messages;
  }
  const std::string& file = options.messages_file;
  const std::string content =
      file == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : read_file(file, 16 << 20);
  return text::parse_chat(parse_ordered_json(content, file), file).messages;
}

std::vector<int> encode_prompt(const GenerateOptions& options, const text::TextStack& text) {
  // A raw prompt is written by whoever also writes the control tokens, so they count as such.
  if (options.raw) return text.tokenizer->encode(options.prompt, {.parse_special = true, .add_special = true});
  return text.encoder().encode(read_messages(options), {.add_generation_prompt = true, .with_mask = false}).ids;
}

struct Outcome {
  std::vector<int> ids;
  std::string text;
  model::FinishReason finish = model::FinishReason::none;
  double first_token_s = 0, total_s = 0;
};

Outcome run_generation(const GenerateOptions& options, ModelInput& input, std::vector<int> prompt_ids,
                       const std::stop_token& stop) {
  const Stopwatch watch;
  model::Generator generator(input.weights());
  model::SamplingParams params = options.params;
  params.stop_ids = input.stop_ids();
  generator.add(std::move(prompt_ids), params, input.adapter());
  text::StreamDecoder decoder(*input.text().tokenizer);
  Outcome outcome;
  const auto show = [&](const std::string& piece) {
    outcome.text += piece;
    if (options.json) return;
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  };
  while (outcome.finish == model::FinishReason::none && !stop.stop_requested()) {
    for (const model::TokenEvent& event : generator.step()) {
      if (outcome.ids.empty()) outcome.first_token_s = watch.seconds();
      outcome.ids.push_back(event.token);
      outcome.finish = event.finish;
      show(decoder.push(event.token));
    }
  }
  show(decoder.flush());
  outcome.total_s = watch.seconds();
  return outcome;
}

std::string finish_word(model::FinishReason reason) {
  return reason == model::FinishReason::none ? "cancelled" : reason == model::FinishReason::stop ? "stop" : "length";
}

/// One line of --jsonl. Without a tokenizer, ids in and ids out; text is then null.
OrderedJson answer_line(const GenerateOptions& options, ModelInput& input, const OrderedJson& line,
                        const std::string& where, const std::stop_token& stop) {
  model::SamplingParams params = options.params;
  params.stop_ids = input.stop_ids();
  model::Generator generator(input.weights());
  generator.add(input.ids_of_line(line, where, true, options.parse_special), params, input.adapter());
  std::vector<int> ids;
  model::FinishReason finish = model::FinishReason::none;
  while (finish == model::FinishReason::none && !stop.stop_requested()) {
    for (const model::TokenEvent& event : generator.step()) {
      ids.push_back(event.token);
      finish = event.finish;
    }
  }
  OrderedJson out = {{"ids", ids}, {"text", nullptr}, {"finish_reason", finish_word(finish)}};
  if (const text::TextStack* text = input.text_if_any()) {
    text::StreamDecoder decoder(*text->tokenizer);
    std::string all;
    for (const int id : ids)
      all += decoder.push(id);
    out["text"] = all + decoder.flush();
  }
  return out;
}

int generate(const GenerateOptions& options, const std::stop_token& stop) {
  model::tune_process(options.threads);
  const Stopwatch watch;
  ModelInput input(options.model, options.adapter);
  if (options.jsonl && ::isatty(STDIN_FILENO) != 0)
    std::cerr << "Reading lines of {\"messages\"} or {\"ids\"} from the terminal; --prompt TEXT asks once.\n";
  if (options.jsonl)
    return run_jsonl([&](const OrderedJson& line,
                         const std::string& where) { return answer_line(options, input, line, where, stop); },
                     stop);
  const std::vector<int> prompt_ids = encode_prompt(options, input.text());
  const double load_s = watch.seconds();
  const Outcome outcome = run_generation(options, input, prompt_ids, stop);
  const std::string finish = finish_word(outcome.finish);
  if (options.json) {
    std::cout << dump_json(OrderedJson{{"text", outcome.text},
                                       {"finish_reason", finish},
                                       {"prompt_ids", prompt_ids},
                                       {"completion_ids", outcome.ids},
                                       {"seed", options.params.seed}})
              << "\n";
  } else {
    std::cout << std::endl;
  }
  const double rest_s = outcome.total_s - outcome.first_token_s;
  const double rate = outcome.ids.size() > 1 && rest_s > 0 ? static_cast<double>(outcome.ids.size() - 1) / rest_s : 0;
  std::fprintf(stderr,
               "loaded in %.2f s; prompt %zu tokens, first token after %.3f s; answer %zu tokens, %.1f tokens/s; %s\n",
               load_s, prompt_ids.size(), outcome.first_token_s, outcome.ids.size(), rate, finish.c_str());
  return finish == "cancelled" ? exit_code(ErrorKind::cancelled) : 0;
}

}  // namespace

void add_generate(CLI::App& app, Context& context) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* verb = app.add_subcommand("generate", "Answer one prompt and stream the text to stdout");
  verb->add_option("--model", options->model, "GGUF file or Hugging Face folder")->required();
  verb->add_option("--adapter", options->adapter, "PEFT folder or GGUF adapter");
  CLI::Option* prompt = verb->add_option("--prompt", options->prompt, "What a person says");
  CLI::Option* messages =
      verb->add_option("--messages", options->messages_file, "JSON list of {role, content}; - reads stdin")
          ->excludes(prompt);
  verb->add_option("--system", options->system, "System message before --prompt")->needs(prompt);
  verb->add_flag("--raw", options->raw, "No chat template: the prompt as it is, control tokens included")
      ->needs(prompt);
  verb->add_flag("--jsonl", options->jsonl, "Lines of {\"messages\"} or {\"ids\"} on stdin, a line of JSON for each")
      ->excludes(prompt)
      ->excludes(messages);
  verb->add_flag("--parse-special", options->parse_special, "With --jsonl: control tokens that people spelled count");
  verb->add_option("--max-new-tokens", options->params.max_new_tokens, "Longest answer, tokens")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  verb->add_option("--temperature", options->params.temperature, "0 takes the likeliest token")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  verb->add_flag("--greedy", options->greedy, "The likeliest token always: --temperature 0");
  verb->add_option("--top-p", options->params.top_p, "Smallest set of tokens with this mass")
      ->check(CLI::Range(1e-6, 1.0))
      ->capture_default_str();
  verb->add_option("--seed", options->params.seed, "Of the random numbers")->capture_default_str();
  verb->add_option("--threads", options->threads, "Compute threads; 0 = all physical cores")->capture_default_str();
  verb->add_flag("--json", options->json, "One JSON object with the ids instead of streamed text");
  verb->callback([options, prompt, messages, &context] {
    // Ids and chats in lines need no flag: without a prompt, stdin is read line by line.
    options->jsonl = options->jsonl || prompt->count() + messages->count() == 0;
    if (options->greedy) options->params.temperature = 0;
    context.run = [options, &context] { return generate(*options, context.stop); };
  });
}

}  // namespace afina::app
