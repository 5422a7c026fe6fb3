// SPDX-License-Identifier: Apache-2.0
#include "datasets/reliability.h"

#include <map>
#include <optional>

#include "quality/dawid_skene.h"

namespace afina::datasets {
namespace {

constexpr uint32_t kClasses = 3;

std::optional<uint32_t> class_of(storage::Outcome outcome, int grade) {
  if (outcome == storage::Outcome::graded) return grade > 0 ? 0U : grade < 0 ? 2U : 1U;
  if (outcome == storage::Outcome::both_good) return 1U;
  return std::nullopt;
}

// Of one annotator the newest vote counts, as in the snapshot itself.
std::map<std::string, uint32_t> classes_of(const storage::EligiblePair& pair, const SplitOptions& split) {
  std::map<std::string, uint32_t> out;
  const auto add = [&](const std::vector<storage::Preference>& votes) {
    for (const auto& vote : votes) {
      if (annotator_is_held_out(vote.annotator_id, split)) continue;
      if (const auto value = class_of(vote.outcome, vote.grade)) {
        out[vote.annotator_id] = *value;
      } else {
        out.erase(vote.annotator_id);
      }
    }
  };
  if (pair.adjudicated) add(pair.adjudicated->replaced);
  add(pair.votes);
  return out;
}

}  // namespace

std::string_view to_string(ReliabilityModel value) {
  return value == ReliabilityModel::none ? "none" : "dawid_skene";
}

bool from_string(std::string_view word, ReliabilityModel& out) {
  for (const auto value : {ReliabilityModel::none, ReliabilityModel::dawid_skene}) {
    if (word != to_string(value)) continue;
    out = value;
    return true;
  }
  return false;
}

std::vector<storage::AnnotatorReliability> vote_reliability(std::span<const storage::EligiblePair> pairs,
                                                            const SplitOptions& split) {
  std::map<std::string, uint32_t> raters;
  std::vector<std::map<std::string, uint32_t>> shared;
  quality::DawidSkeneOptions options;
  for (const auto& pair : pairs) {
    auto classes = classes_of(pair, split);
    const auto settled =
        pair.adjudicated ? class_of(pair.adjudicated->outcome, pair.adjudicated->grade) : std::optional<uint32_t>();
    if (classes.size() < (settled ? 1U : 2U)) continue;
    if (settled) options.gold.emplace_back(static_cast<uint32_t>(shared.size()), *settled);
    for (const auto& [annotator, value] : classes)
      raters[annotator] = 0;
    shared.push_back(std::move(classes));
  }
  if (shared.empty()) return {};
  uint32_t next = 0;
  for (auto& [annotator, number] : raters)
    number = next++;
  std::vector<quality::Label> labels;
  for (uint32_t item = 0; item < shared.size(); ++item) {
    for (const auto& [annotator, value] : shared[item])
      labels.push_back({item, raters.at(annotator), value});
  }
  const auto fit = quality::fit_dawid_skene(labels, static_cast<uint32_t>(shared.size()), next, kClasses, options);
  const auto found = quality::reliabilities(fit, labels);
  std::vector<int64_t> votes(next);
  for (const auto& label : labels)
    ++votes[label.rater];
  std::vector<storage::AnnotatorReliability> out;
  for (const auto& [annotator, number] : raters) {
    const auto& one = found[number];
    out.push_back({annotator, one.mean, one.interval.low, one.interval.high, quality::label_weight(one, kClasses),
                   votes[number]});
  }
  return out;
}

}  // namespace afina::datasets
