// SPDX-License-Identifier: Apache-2.0
// The two collecting phases of the demo: prompts become blind pairs, annotators judge them on visits of their own.
#pragma once
#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "app/demo/annotators.h"

namespace afina::app {

struct DemoPrompt {
  std::string id, locale, text;
};
/// Throws DataError for a file that does not fit.
std::vector<DemoPrompt> read_prompts(std::string_view json);

struct Collected {
  std::vector<std::string> conversation_ids;  ///< in the order of the prompts
  int pairs = 0;                              ///< with two whole answers
  double seconds = 0;
};
/// Asks every prompt as one visitor a language, `parallel` at a time. Throws the first failure; Cancelled when stopped.
Collected collect_pairs(const std::string& collector_url, const std::vector<DemoPrompt>& prompts,
                        const std::string& pairing, int parallel, const std::string& title, std::stop_token stop);

/// Each annotator visits and judges every pair not yet judged. Returns how often each outcome was given.
std::map<std::string, int> judge_pairs(const std::string& collector_url, const AnnotatorPanel& panel,
                                       std::stop_token stop);

}  // namespace afina::app
