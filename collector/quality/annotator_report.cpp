// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/annotator_report.h"

#include <algorithm>
#include <set>

#include "base/cat.h"
#include "quality/annotator_checks.h"

namespace afina::collector {
namespace {

// Grades are told apart by who is better: seven classes would leave little to learn of each.
double class_of(const UnitRating& rating) {
  if (rating.aspect.empty()) return rating.value > 0 ? 1 : rating.value < 0 ? -1 : 0;
  return rating.value;
}

struct Reliable {
  quality::Reliability reliability;
  int64_t labels = 0;
};

std::map<std::string, Reliable> dawid_skene(const std::vector<UnitRating>& ratings) {
  std::map<std::string, uint32_t> items, raters;
  std::map<double, uint32_t> classes;
  for (const auto& rating : ratings) {
    if (rating.aspect != "verdict_class") classes.emplace(class_of(rating), 0);
  }
  if (classes.size() < 2) return {};
  uint32_t next = 0;
  for (auto& [value, number] : classes)
    number = next++;
  std::vector<quality::Label> labels;
  for (const auto& rating : ratings) {
    if (rating.aspect == "verdict_class") continue;  // the same verdicts once more
    const auto item =
        items.emplace(cat(rating.aspect, "/", rating.unit), static_cast<uint32_t>(items.size())).first->second;
    const auto rater = raters.emplace(rating.annotator, static_cast<uint32_t>(raters.size())).first->second;
    labels.push_back({item, rater, classes.at(class_of(rating))});
  }
  const auto fit =
      quality::fit_dawid_skene(labels, static_cast<uint32_t>(items.size()), static_cast<uint32_t>(raters.size()), next);
  const auto found = quality::reliabilities(fit, labels);
  std::map<std::string, Reliable> out;
  for (const auto& [name, number] : raters)
    out[name] = {found[number], 0};
  for (const auto& rating : ratings) {
    if (rating.aspect != "verdict_class") ++out[rating.annotator].labels;
  }
  return out;
}

struct Choices {
  int64_t left = 0, decided = 0;
  quality::OutlierMartingale martingale;
  std::map<std::string, int64_t> reasons;
};

std::map<std::string, Choices> choices_of(const std::vector<storage::SubmittedVerdict>& verdicts) {
  struct Sides {
    int64_t first = 0, second = 0;
  };
  std::map<std::string, Sides> by_item;
  for (const auto& v : verdicts) {
    if (v.grade != 0) ++(v.grade > 0 ? by_item[v.item_id].first : by_item[v.item_id].second);
  }
  std::map<std::string, Choices> out;
  for (const auto& v : verdicts) {
    Choices& mine = out[v.account_id];
    if (!v.reason.empty()) ++mine.reasons[v.reason];
    if (v.grade == 0) continue;
    const bool first = v.grade > 0;
    ++mine.decided;
    mine.left += first == v.first_on_left ? 1 : 0;
    // The chance by everybody else's votes on the same two answers, with one pseudo-vote for each.
    const Sides& sides = by_item.at(v.item_id);
    const double alike = static_cast<double>((first ? sides.first : sides.second) - 1),
                 all = static_cast<double>(sides.first + sides.second - 1);
    if (all > 0) mine.martingale.add((alike + 1) / (all + 2));
  }
  return out;
}

Json share_or_null(int64_t part, int64_t all) {
  return all > 0 ? Json(static_cast<double>(part) / static_cast<double>(all)) : Json();
}

Json row(const storage::AnnotatorWork& work, const Choices& choices, double gold_pass) {
  quality::AnnotatorFacts facts;
  facts.submitted = work.submitted;
  facts.median_ms = work.median_ms;
  facts.left = choices.left;
  facts.decided = choices.decided;
  facts.gold_seen = work.gold_seen;
  facts.gold_passed = work.gold_passed;
  facts.gold_pass = gold_pass;
  facts.outlier = choices.martingale.flagged();
  for (const auto& [reason, count] : choices.reasons) {
    facts.reasons += count;
    facts.most_repeated_reason = std::max(facts.most_repeated_reason, count);
  }
  Json warnings = Json::array();
  for (const auto warning : quality::annotator_warnings(facts))
    warnings.push_back(quality::to_string(warning));
  return {{"account", work.account_id},
          {"name", work.name},
          {"state", work.state},
          {"submitted", work.submitted},
          {"hasty", work.hasty},
          {"left_share", share_or_null(choices.left, choices.decided)},
          {"median_ms", work.median_ms ? Json(*work.median_ms) : Json()},
          {"gold", {{"passed", work.gold_passed}, {"seen", work.gold_seen}}},
          {"warnings", std::move(warnings)}};
}

}  // namespace

ProjectMaterial read_material(storage::Transaction& t, const std::string& project_id, const std::string& workspace_id) {
  ProjectMaterial out;
  out.project = storage::quality_project(t, project_id, workspace_id);
  out.verdicts = storage::submitted_verdicts(t, project_id);
  out.ratings = storage::submitted_ratings(t, project_id);
  out.flags = storage::submitted_flags(t, project_id);
  out.annotators = storage::annotator_work(t, project_id);
  return out;
}

std::vector<UnitRating> all_units(const ProjectMaterial& material) {
  std::vector<UnitRating> out = unit_ratings(material.verdicts);
  for (const auto& more : {unit_ratings(material.ratings, false), unit_ratings(material.flags, true)})
    out.insert(out.end(), more.begin(), more.end());
  return out;
}

Json annotator_rows(const ProjectMaterial& material) {
  const auto units = all_units(material);
  const auto reliable = dawid_skene(units);
  const auto alphas = alpha_with_others(units);
  const auto choices = choices_of(material.verdicts);
  Json out = Json::array();
  for (const auto& work : material.annotators) {
    const auto mine = choices.find(work.account_id);
    Json one = row(work, mine == choices.end() ? Choices{} : mine->second, material.project.gold_pass);
    const auto alpha = alphas.find(work.account_id);
    one["alpha_with_others"] = to_json(alpha == alphas.end() ? quality::Alpha{} : alpha->second);
    const auto found = reliable.find(work.account_id);
    one["reliability"] = nullptr;
    if (found != reliable.end()) {
      const auto& r = found->second.reliability;
      one["reliability"] = {
          {"mean", r.mean}, {"low", r.interval.low}, {"high", r.interval.high}, {"labels", found->second.labels}};
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace afina::collector
