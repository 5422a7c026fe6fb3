// SPDX-License-Identifier: Apache-2.0
// `afina compose`: one adapter from several, by PEFT's rules.
#include "lora/compose.h"

#include "app/afina/model_input.h"
#include "app/afina/report.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "lora/peft.h"
#include "model/convert/weight_reader.h"

namespace afina::app {
namespace {

struct Options {
  std::string model, method = "cat", majority_sign = "total", out, base_model;
  std::vector<std::string> adapters;
  std::vector<double> weights;
  lora::ComposeOptions compose;
  bool json = false;
};

int compose(const Options& options) {
  lora::ComposeMethod method{};
  if (!lora::from_string(options.method, method))
    throw UsageError(
        cat("[--method] must be one of cat, linear, svd, ties, dare_linear, dare_ties, magnitude_prune or one "
            "of the last four with _svd, but is \"",
            options.method, "\"."));
  lora::ComposeOptions compose = options.compose;
  if (!lora::from_string(options.majority_sign, compose.majority_sign))
    throw UsageError(cat("[--majority-sign] must be total or frequency, but is \"", options.majority_sign, "\"."));
  const model::WeightReader base(options.model);
  std::vector<std::unique_ptr<lora::AdapterSet>> sets;
  std::vector<const lora::AdapterSet*> pointers;
  for (const std::string& path : options.adapters) {
    sets.push_back(read_adapter(path, base.config()));
    pointers.push_back(sets.back().get());
  }
  const std::vector<double> weights = options.weights.empty() ? std::vector<double>(sets.size(), 1.0) : options.weights;
  const auto result = lora::compose(method, pointers, weights, compose);
  lora::PeftInfo info;
  info.base_model =
      options.base_model.empty() ? std::filesystem::path(options.model).filename().string() : options.base_model;
  info.training_summary = cat("Composed of ", sets.size(), " adapters by ", options.method, ".");
  lora::save_peft(options.out, *result, info);
  const OrderedJson report = {{"out", options.out},
                              {"method", options.method},
                              {"weights", weights},
                              {"r", result->config().r},
                              {"parameters", result->parameter_count()},
                              {"sha256", lora::adapter_sha256(*result)}};
  if (options.json) {
    print_json(report);
  } else {
    print(cat("Composed ", sets.size(), " adapters by ", options.method, " into ", options.out, ": rank ",
              result->config().r, ", ", result->parameter_count(), " numbers.\n"));
  }
  return 0;
}

}  // namespace

void add_compose(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("compose", "Make one adapter from several, as PEFT's add_weighted_adapter");
  verb->add_option("--model", options->model, "The base they were trained on: GGUF file or Hugging Face folder")
      ->required();
  verb->add_option("--adapter", options->adapters, "PEFT folder or GGUF adapter; once for each")
      ->required()
      ->allow_extra_args(false);
  verb->add_option("--weights", options->weights, "One number an adapter, separated by commas (default: all 1)")
      ->delimiter(',');
  verb->add_option(
          "--method", options->method,
          "cat (exact), linear, svd, ties, dare_linear, dare_ties, magnitude_prune, ties_svd, dare_linear_svd, "
          "dare_ties_svd, magnitude_prune_svd")
      ->capture_default_str();
  verb->add_option("--svd-rank", options->compose.svd_rank, "Rank of svd and …_svd (default: the largest of theirs)");
  verb->add_option("--density", options->compose.density, "Share that ties, dare_… and magnitude_prune keep, (0, 1]");
  verb->add_option("--majority-sign", options->majority_sign, "How ties elects signs: total or frequency")
      ->capture_default_str();
  verb->add_option("--seed", options->compose.seed, "Of dare_…")->capture_default_str();
  verb->add_option("--out", options->out, "New PEFT folder")->required();
  verb->add_option("--base-model", options->base_model, "Public id of the base, for adapter_config.json");
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &context] { context.run = [options] { return compose(*options); }; });
}

}  // namespace afina::app
