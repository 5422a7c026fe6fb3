// SPDX-License-Identifier: Apache-2.0
// The whole loop on a small real model, told step by step: conversations through the collector, votes, snapshot, SFT,
// DPO, blind arena, pictures. Every step runs the programs a user would run; the demo only starts them and reads what
// they wrote.
#pragma once
#include <filesystem>
#include <stop_token>

namespace afina::app {

struct DemoOptions {
  std::filesystem::path model;     ///< GGUF file or Hugging Face folder
  std::filesystem::path out;       ///< made anew; a folder that is not an earlier demo's is refused
  std::filesystem::path programs;  ///< folder of afina, afina-collector, afina-workbench
  bool keep = false;               ///< leave the servers running and print their addresses
};

/// Returns 0, or 1 where the held-out reward margin is not above zero or the interval of the blind win rate lies below
/// one half; both are printed. Throws Cancelled on stop, and whatever a step threw; servers are stopped in any case.
int run_demo(const DemoOptions& options, std::stop_token stop);

}  // namespace afina::app
