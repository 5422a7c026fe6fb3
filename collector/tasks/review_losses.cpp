// SPDX-License-Identifier: Apache-2.0
// Example losses that a run left in its folder, brought into the database.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/cat.h"
#include "base/json.h"
#include "collector/tasks/routes.h"
#include "storage/runs.h"

namespace afina::collector {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxLineBytes = 64 * 1024;
constexpr size_t kRowsOfStatement = 5000;
constexpr int64_t kNewestRuns = 20;

std::string losses_path(const storage::Run& run) {
  return run.out_folder.empty() ? "" : (fs::path(run.out_folder) / "examples.jsonl").string();
}

// Reads the run's file into the table. False where there is nothing to read.
bool bring(storage::Database& database, const storage::Run& run) {
  const std::string path = losses_path(run);
  std::error_code missing;
  if (path.empty() || !fs::is_regular_file(path, missing)) return false;
  const auto rows = read_example_losses(path);
  for (size_t from = 0; from < rows.size(); from += kRowsOfStatement) {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end = rows.begin() + static_cast<std::ptrdiff_t>(std::min(rows.size(), from + kRowsOfStatement));
    database.transaction([&](storage::Transaction& t) { storage::put_example_losses(t, run.id, {begin, end}); });
  }
  return !rows.empty();
}

}  // namespace

std::vector<storage::ExampleLossRow> read_example_losses(const std::string& path, uintmax_t max_bytes) {
  std::error_code code;
  const uintmax_t bytes = fs::file_size(path, code);
  if (code || bytes > max_bytes)
    throw StorageError(cat("[review] a run's examples.jsonl must be readable and at most ", max_bytes, " bytes."));
  std::map<int64_t, double> last;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.size() > kMaxLineBytes) continue;
    try {
      const Json json = parse_json(line, "examples.jsonl");
      if (!json.is_object() || !json.contains("row") || !json.contains("loss")) continue;
      const Json &row = json.at("row"), &loss = json.at("loss");
      if (row.is_number_integer() && row >= 0 && loss.is_number() && std::isfinite(loss.get<double>()))
        last[row.get<int64_t>()] = loss.get<double>();
    } catch (const DataError&) {
      continue;  // the last line may be half written
    }
  }
  std::vector<storage::ExampleLossRow> out;
  for (const auto& [row, loss] : last)
    out.push_back({"train", row, loss});
  return out;
}

std::string bring_example_losses(storage::Database& database, const std::string& run_id) {
  const auto runs = database.read([&](storage::Transaction& t) {
    return run_id.empty() ? storage::list_runs(t, kNewestRuns) : std::vector<storage::Run>{storage::get_run(t, run_id)};
  });
  for (const auto& run : runs) {
    const bool known = database.read([&](storage::Transaction& t) { return storage::has_example_losses(t, run.id); });
    if (known || bring(database, run)) return run.id;
  }
  throw NotFound("[review] a run must have left the losses of its examples, but none did.",
                 "train from votes first; the run's folder must be readable here");
}

}  // namespace afina::collector
