// SPDX-License-Identifier: Apache-2.0
#include "datasets/encode_report.h"

#include <utility>

#include "base/error.h"

namespace afina::datasets {
namespace {

// Every count, once: what is stored and what is read back.
template <typename Report, typename Visit>
void for_each_count(Report& report, Visit visit) {
  visit("rows", report.rows);
  visit("kept", report.kept);
  visit("long_prompts", report.long_prompts);
  visit("without_targets", report.without_targets);
  visit("ties", report.ties);
  visit("long_rows", report.long_rows);
  visit("truncated", report.truncated);
  visit("over_length", report.over_length);
  visit("pieces", report.pieces);
  visit("unpaired", report.unpaired);
  visit("merged_boundaries", report.merged_boundaries);
  visit("tokens", report.tokens);
  visit("targets", report.targets);
}

}  // namespace

std::string EncodeReport::summary() const {
  std::string out = pieces > 0 ? cat(rows, " rows in ", kept, " examples") : cat(kept, " of ", rows, " rows kept");
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) out += cat("; ", count, " ", what);
  };
  add(unpaired, "made of pairs, two of each");
  add(long_prompts, "dropped: the prompt alone fills max_length");
  add(without_targets, "dropped: nothing to train");
  add(ties, "dropped: exact ties under label_mode=hard");
  add(long_rows, "dropped: longer than long_rows allows");
  add(truncated, "cut at max_length");
  add(over_length, "kept whole above max_length");
  add(pieces, "that are pieces of rows");
  add(merged_boundaries, "with a token across the end of the prompt");
  return out;
}

Json to_json(const EncodeReport& report) {
  Json json = Json::object();
  for_each_count(report, [&](const char* name, int64_t count) { json[name] = count; });
  json["first_dropped"] = report.first_dropped;
  return json;
}

EncodeReport report_from_json(const Json& json, const std::string& where) {
  EncodeReport report;
  const auto fail = [&](const char* name) {
    throw DataError(
        cat("[", where, "] must report what became of its rows, but \"", name, "\" is missing or foreign."));
  };
  if (!json.is_object()) fail("rows");
  for_each_count(report, [&](const char* name, int64_t& count) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number_integer()) fail(name);
    count = found->get<int64_t>();
  });
  const auto dropped = json.find("first_dropped");
  if (dropped == json.end() || !dropped->is_array()) fail("first_dropped");
  for (const Json& line : *dropped) {
    if (!line.is_string()) fail("first_dropped");
    report.first_dropped.push_back(line.get<std::string>());
  }
  return report;
}

}  // namespace afina::datasets
