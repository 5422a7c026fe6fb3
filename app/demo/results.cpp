// SPDX-License-Identifier: Apache-2.0
#include "app/demo/results.h"

#include "base/error.h"
#include "formats/jsonl.h"
#include "storage/conversations.h"

namespace afina::app {

std::map<std::string, double> last_metrics(const std::filesystem::path& metrics_jsonl) {
  std::map<std::string, double> newest;
  formats::JsonlReader reader(metrics_jsonl);
  while (const auto line = reader.next()) {
    for (const auto& [name, value] : line->items()) {
      if (value.is_number()) newest[name] = value.get<double>();
    }
  }
  return newest;
}

quality::Interval win_rate(storage::Database& database, const std::vector<std::string>& conversation_ids) {
  std::vector<quality::ClusteredScore> scores;
  for (const auto& id : conversation_ids) {
    const auto view = database.read([&](storage::Transaction& t) { return storage::load_conversation(t, id); });
    const std::string prompt = view.messages.empty() ? id : view.messages.front().sha256;
    for (const auto& vote : view.preferences) {
      if (vote.superseded || vote.outcome == storage::Outcome::cannot_judge ||
          vote.outcome == storage::Outcome::retracted)
        continue;
      // Slot 0 is A, the base; a negative grade says that B, the adapter, is better.
      const double score = vote.outcome != storage::Outcome::graded || vote.grade == 0 ? 0.5
                           : vote.grade < 0                                            ? 1.0
                                                                                       : 0.0;
      scores.push_back({prompt, score});
    }
  }
  return quality::cluster_bootstrap(scores, 0.95, 5000, 42);
}

TokenCounts count_tokens(storage::Database& database, const std::vector<std::string>& conversation_ids) {
  TokenCounts counts;
  for (const auto& id : conversation_ids) {
    const auto view = database.read([&](storage::Transaction& t) { return storage::load_conversation(t, id); });
    for (const auto& generation : view.generations) {
      ++counts.answers;
      counts.tokens += generation.completion_tokens.value_or(0);
    }
  }
  return counts;
}

}  // namespace afina::app
