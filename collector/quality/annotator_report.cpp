// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/annotator_report.h"

#include <algorithm>
#include <set>

#include "base/cat.h"
#include "quality/annotator_checks.h"
#include "quality/mace.h"
#include "storage/tasks/verdict.h"

namespace afina::collector {
namespace {

// Grades are told apart by who is better: seven classes would leave little to learn of each.
double class_of(const UnitRating& rating) {
  if (rating.aspect.empty()) return rating.value > 0 ? 1 : rating.value < 0 ? -1 : 0;
  return rating.value;
}

// Labels of MACE in all its restarts: a report is waited for.
constexpr size_t kMaceLabels = 1'000'000;

struct Reliable {
  quality::Reliability reliability;
  double competence = 0.0;
  int64_t labels = 0;
};

std::string unit_key(const UnitRating& rating) {
  return cat(rating.aspect, "/", rating.unit);
}

std::map<std::string, Reliable> reliabilities_of(const std::vector<UnitRating>& ratings,
                                                 const std::vector<UnitRating>& known) {
  std::map<std::string, uint32_t> items, raters;
  std::map<double, uint32_t> classes;
  for (const auto& rating : ratings) {
    if (rating.aspect != "verdict_class") classes.emplace(class_of(rating), 0);
  }
  for (const auto& answer : known)
    classes.emplace(class_of(answer), 0);
  if (classes.size() < 2) return {};
  uint32_t next = 0;
  for (auto& [value, number] : classes)
    number = next++;
  std::vector<quality::Label> labels;
  for (const auto& rating : ratings) {
    if (rating.aspect == "verdict_class") continue;  // the same verdicts once more
    const auto item = items.emplace(unit_key(rating), static_cast<uint32_t>(items.size())).first->second;
    const auto rater = raters.emplace(rating.annotator, static_cast<uint32_t>(raters.size())).first->second;
    labels.push_back({item, rater, classes.at(class_of(rating))});
  }
  if (labels.empty()) return {};
  quality::DawidSkeneOptions options;
  for (const auto& answer : known) {
    const auto item = items.find(unit_key(answer));
    if (item != items.end()) options.gold.emplace_back(item->second, classes.at(class_of(answer)));
  }
  const auto item_count = static_cast<uint32_t>(items.size()), rater_count = static_cast<uint32_t>(raters.size());
  const auto fit = quality::fit_dawid_skene(labels, item_count, rater_count, next, options);
  const auto found = quality::reliabilities(fit, labels);
  quality::MaceOptions mace_options;
  mace_options.restarts = static_cast<int>(std::clamp<size_t>(kMaceLabels / labels.size(), 1, 10));
  const auto mace = quality::fit_mace(labels, item_count, rater_count, next, mace_options);
  std::map<std::string, Reliable> out;
  for (const auto& [name, number] : raters) {
    // The variational step leaves both a little below their share.
    const double both = mace.knowing[number] + mace.spamming[number];
    out[name] = {found[number], both > 0 ? mace.knowing[number] / both : 0.0, 0};
  }
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

// Of every answer and kind: raised or not.
void add_known_flags(const storage::KnownAnswer& known, const storage::TaskVerdict& verdict,
                     std::vector<storage::SubmittedValue>& values) {
  for (size_t position = 0; position < known.answers.size(); ++position) {
    for (const auto kind :
         {storage::FlagKind::toxic, storage::FlagKind::personal_data, storage::FlagKind::hallucination}) {
      const bool raised = std::ranges::any_of(verdict.flags, [&](const storage::PositionFlag& flag) {
        return std::cmp_equal(flag.position, position) && flag.kind == kind;
      });
      values.push_back(
          {known.item_id, known.answers[position], "", "", std::string(storage::to_string(kind)), raised ? 1.0 : 0.0});
    }
  }
}

}  // namespace

ProjectMaterial read_material(storage::Transaction& t, const std::string& project_id, const std::string& workspace_id) {
  ProjectMaterial out;
  out.project = storage::quality_project(t, project_id, workspace_id);
  out.verdicts = storage::submitted_verdicts(t, project_id);
  out.ratings = storage::submitted_ratings(t, project_id);
  out.flags = storage::submitted_flags(t, project_id);
  out.annotators = storage::annotator_work(t, project_id);
  out.known = storage::known_answers(t, project_id);
  return out;
}

std::vector<UnitRating> all_units(const ProjectMaterial& material) {
  std::vector<UnitRating> out = unit_ratings(material.verdicts);
  for (const auto& more : {unit_ratings(material.ratings, false), unit_ratings(material.flags, true)})
    out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::vector<UnitRating> known_units(const ProjectMaterial& material) {
  storage::ProjectKind kind{};
  if (!storage::from_string(material.project.kind, kind)) return {};
  std::vector<UnitRating> out;
  for (const auto& known : material.known) {
    const auto verdict =
        storage::verdict_from_json(kind, known.gold, static_cast<int>(known.answers.size()), "known answer");
    storage::SubmittedVerdict said;
    said.item_id = known.item_id;
    said.outcome = verdict.outcome ? std::string(storage::to_string(*verdict.outcome)) : "";
    said.grade = verdict.grade;
    said.tiers = Json(verdict.tiers);
    if (kind == storage::ProjectKind::pairwise || kind == storage::ProjectKind::ranking) {
      for (auto& unit : unit_ratings(std::vector{said})) {
        if (unit.aspect.empty()) out.push_back(std::move(unit));
      }
    }
    std::vector<storage::SubmittedValue> values;
    for (const auto& r : verdict.ratings)
      values.push_back({known.item_id, known.answers.at(static_cast<size_t>(r.position)), "", "",
                        std::string(storage::to_string(r.aspect)), static_cast<double>(r.value)});
    if (kind == storage::ProjectKind::flagging) add_known_flags(known, verdict, values);
    const auto units = unit_ratings(values, kind == storage::ProjectKind::flagging);
    out.insert(out.end(), units.begin(), units.end());
  }
  return out;
}

Json annotator_rows(const ProjectMaterial& material) {
  const auto units = all_units(material);
  const auto reliable = reliabilities_of(units, known_units(material));
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
    one["competence"] = nullptr;
    if (found != reliable.end()) {
      const auto& r = found->second.reliability;
      one["reliability"] = {
          {"mean", r.mean}, {"low", r.interval.low}, {"high", r.interval.high}, {"labels", found->second.labels}};
      one["competence"] = found->second.competence;
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace afina::collector
