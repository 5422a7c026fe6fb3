// SPDX-License-Identifier: Apache-2.0
// What came of the demo, read back from where the programs wrote it: the run's metrics file and the database.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "quality/win_rate.h"
#include "storage/database.h"

namespace afina::app {

/// Newest value of every metric in a metrics.jsonl. Throws NotFound or DataError.
std::map<std::string, double> last_metrics(const std::filesystem::path& metrics_jsonl);

/// Blind win rate of slot 1 (the adapter) over slot 0 (the base) in these conversations, clustered by prompt: graded
/// votes count 1, ½ or 0 by their sign, both good and both bad ½, cannot judge nothing.
quality::Interval win_rate(storage::Database& database, const std::vector<std::string>& conversation_ids);

struct TokenCounts {
  int64_t answers = 0, tokens = 0;
};
/// Answers and their tokens in these conversations.
TokenCounts count_tokens(storage::Database& database, const std::vector<std::string>& conversation_ids);

}  // namespace afina::app
