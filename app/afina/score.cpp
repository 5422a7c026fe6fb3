// SPDX-License-Identifier: Apache-2.0
// `afina score`: log-probabilities of given ids or chats, with or without an adapter.
#include <iostream>

#include "app/afina/jsonl_loop.h"
#include "app/afina/model_input.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "model/score.h"
#include "model/threads.h"

namespace afina::app {
namespace {

struct ScoreOptions {
  std::string model, adapter;
  int top = 0, threads = 0;
  bool parse_special = false, jsonl = true;
};

OrderedJson scored(const model::Scores& scores, int top) {
  OrderedJson out = {{"logprobs", scores.logprobs}};
  if (top == 0) return out;
  out["top"] = OrderedJson::array();
  for (const auto& [id, logprob] : scores.top)
    out["top"].push_back({id, logprob});
  return out;
}

int score(const ScoreOptions& options, const std::stop_token& stop) {
  model::tune_process(options.threads);
  ModelInput input(options.model, options.adapter);
  // As the peers report them, so that sums over long texts agree with theirs too.
  model::TrainingModel engine(input.weights(), {.head_sum = model::HeadSum::log_softmax});
  return run_jsonl(
      [&](const OrderedJson& line, const std::string& where) {
        const std::vector<int> ids = input.ids_of_line(line, where, false, options.parse_special);
        return scored(model::score(engine, ids, input.adapter().get(), options.top), options.top);
      },
      stop);
}

}  // namespace

void add_score(CLI::App& app, Context& context) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* verb = app.add_subcommand("score", "Log-probabilities of texts: one JSON object a line in and out");
  verb->add_option("--model", options->model, "GGUF file or Hugging Face folder")->required();
  verb->add_option("--adapter", options->adapter, "PEFT folder or GGUF adapter");
  verb->add_option("--top", options->top, "Also the K likeliest next tokens after the last one")
      ->check(CLI::Range(0, 1'000'000));
  verb->add_flag("--parse-special", options->parse_special, "Control tokens that people spelled become control tokens");
  verb->add_option("--threads", options->threads, "Compute threads; 0 = all physical cores")->capture_default_str();
  verb->add_flag("--jsonl", options->jsonl, "The only form there is: lines of {\"ids\"} or {\"messages\"} on stdin");
  verb->callback([options, &context] { context.run = [options, &context] { return score(*options, context.stop); }; });
}

}  // namespace afina::app
