// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/agreement_report.h"

#include <algorithm>
#include <set>

#include "base/cat.h"
#include "quality/kappa.h"

namespace afina::collector {
namespace {

using Units = std::map<std::string, std::vector<const UnitRating*>>;

Units units_of(const std::vector<const UnitRating*>& ratings) {
  Units units;
  for (const auto* rating : ratings)
    units[rating->unit].push_back(rating);
  return units;
}

std::vector<double> values_of(const std::vector<const UnitRating*>& ratings) {
  std::vector<double> values;
  for (const auto* rating : ratings)
    values.push_back(rating->value);
  return values;
}

Json maybe(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

// Cohen's table needs two people and every unit by both.
Json cohen(const Units& units, const std::vector<double>& classes, bool named) {
  std::set<std::string> people;
  for (const auto& [unit, ratings] : units) {
    for (const auto* rating : ratings)
      people.insert(rating->annotator);
    if (people.size() > 2 || ratings.size() != 2 || ratings[0]->annotator == ratings[1]->annotator) return nullptr;
  }
  if (people.size() != 2) return nullptr;
  const auto number = [&](double value) {
    return static_cast<size_t>(std::lower_bound(classes.begin(), classes.end(), value) - classes.begin());
  };
  std::vector<int64_t> table(classes.size() * classes.size());
  for (const auto& [unit, ratings] : units) {
    const bool in_order = ratings[0]->annotator == *people.begin();
    const auto* first = ratings[in_order ? 0 : 1];
    const auto* second = ratings[in_order ? 1 : 0];
    ++table[number(first->value) * classes.size() + number(second->value)];
  }
  const auto k = static_cast<int>(classes.size());
  Json out{{"none", maybe(quality::cohen_kappa(table, k, quality::KappaWeights::none))}};
  if (!named) {
    out["linear"] = maybe(quality::cohen_kappa(table, k, quality::KappaWeights::linear));
    out["quadratic"] = maybe(quality::cohen_kappa(table, k, quality::KappaWeights::quadratic));
  }
  return out;
}

Json fleiss(const Units& units, const std::vector<double>& classes) {
  const size_t raters = units.begin()->second.size();
  if (raters < 2) return nullptr;
  std::vector<int64_t> counts;
  for (const auto& [unit, ratings] : units) {
    if (ratings.size() != raters) return nullptr;
    const size_t begin = counts.size();
    counts.resize(begin + classes.size());
    for (const auto* rating : ratings) {
      const auto at = std::lower_bound(classes.begin(), classes.end(), rating->value) - classes.begin();
      ++counts[begin + static_cast<size_t>(at)];
    }
  }
  return maybe(quality::fleiss_kappa(counts, static_cast<int>(classes.size())).kappa);
}

Json group_json(const std::string& aspect, const std::string& locale, const std::vector<const UnitRating*>& ratings,
                const quality::AlphaBootstrap& bootstrap) {
  const Units units = units_of(ratings);
  const bool named = ratings.front()->named;
  std::set<double> values;
  std::set<std::string> people;
  quality::AlphaTally tally;
  for (const auto& [unit, of_unit] : units) {
    tally.add(values_of(of_unit));
    for (const auto* rating : of_unit) {
      values.insert(rating->value);
      people.insert(rating->annotator);
    }
  }
  const auto nominal = tally.alpha(quality::Scale::nominal, bootstrap);
  Json out{{"aspect", aspect},
           {"locale", locale},
           {"units", nominal.units},
           {"values", nominal.values},
           {"annotators", people.size()},
           {"nominal", to_json(nominal)}};
  if (!named) {
    out["ordinal"] = to_json(tally.alpha(quality::Scale::ordinal, bootstrap));
    out["interval"] = to_json(tally.alpha(quality::Scale::interval, bootstrap));
  }
  const std::vector<double> classes(values.begin(), values.end());
  if (Json kappa = cohen(units, classes, named); !kappa.is_null()) out["cohen"] = std::move(kappa);
  if (Json kappa = fleiss(units, classes); !kappa.is_null()) out["fleiss"] = std::move(kappa);
  return out;
}

// Place of each position in the tiers, best first; nothing where the tiers are not lists of positions.
std::map<int64_t, int> places(const Json& tiers) {
  std::map<int64_t, int> out;
  int place = 0;
  for (const auto& tier : tiers) {
    if (!tier.is_array()) return {};
    for (const auto& position : tier) {
      if (!position.is_number_integer()) return {};
      out[position.get<int64_t>()] = place;
    }
    ++place;
  }
  return out;
}

void add_ranking(const storage::SubmittedVerdict& v, std::vector<UnitRating>& out) {
  const auto order = places(v.tiers);
  for (auto a = order.begin(); a != order.end(); ++a) {
    for (auto b = std::next(a); b != order.end(); ++b) {
      const double value = a->second < b->second ? 1 : a->second > b->second ? -1 : 0;
      out.push_back({cat(v.item_id, "/", a->first, "/", b->first), v.account_id, v.locale, "", value, false});
    }
  }
}

void add_pairwise(const storage::SubmittedVerdict& v, std::vector<UnitRating>& out) {
  if (v.outcome == "cannot_judge") return;
  const bool graded = v.outcome == "graded";
  if (graded || v.outcome == "both_good") {
    out.push_back({v.item_id, v.account_id, v.locale, "", static_cast<double>(graded ? v.grade : 0), false});
  }
  const int name = !graded ? (v.outcome == "both_good" ? 3 : 4) : v.grade > 0 ? 0 : v.grade < 0 ? 1 : 2;
  out.push_back({v.item_id, v.account_id, v.locale, "verdict_class", static_cast<double>(name), true});
}

}  // namespace

std::vector<UnitRating> unit_ratings(const std::vector<storage::SubmittedVerdict>& verdicts) {
  std::vector<UnitRating> out;
  for (const auto& verdict : verdicts)
    verdict.outcome.empty() ? add_ranking(verdict, out) : add_pairwise(verdict, out);
  return out;
}

std::vector<UnitRating> unit_ratings(const std::vector<storage::SubmittedValue>& values, bool flags) {
  std::vector<UnitRating> out;
  out.reserve(values.size());
  for (const auto& v : values) {
    out.push_back({cat(v.item_id, "/", v.answer_id), v.account_id, v.locale, v.aspect, v.value, flags});
  }
  return out;
}

Json agreement_groups(const std::vector<UnitRating>& ratings, const quality::AlphaBootstrap& bootstrap) {
  std::map<std::pair<std::string, std::string>, std::vector<const UnitRating*>> groups;
  for (const auto& rating : ratings)
    groups[{rating.aspect, rating.locale}].push_back(&rating);
  Json out = Json::array();
  for (const auto& [key, of_group] : groups)
    out.push_back(group_json(key.first, key.second, of_group, bootstrap));
  return out;
}

std::map<std::string, quality::Alpha> alpha_with_others(const std::vector<UnitRating>& ratings) {
  // One scale in one tally: grades and ratings are numbers, flags and classes are names.
  bool numbers = false;
  for (const auto& rating : ratings)
    numbers |= !rating.named;
  std::map<std::pair<std::string, std::string>, std::vector<const UnitRating*>> units;
  for (const auto& rating : ratings) {
    if (rating.named != numbers) units[{rating.aspect, rating.unit}].push_back(&rating);
  }
  std::map<std::string, quality::AlphaTally> tallies;
  for (const auto& [unit, of_unit] : units) {
    for (const auto* mine : of_unit) {
      auto& tally = tallies[mine->annotator];
      for (const auto* other : of_unit) {
        if (other->annotator != mine->annotator) tally.add(std::vector<double>{mine->value, other->value});
      }
    }
  }
  std::map<std::string, quality::Alpha> out;
  for (const auto& [annotator, tally] : tallies) {
    out[annotator] = tally.alpha(numbers ? quality::Scale::interval : quality::Scale::nominal);
  }
  return out;
}

Json to_json(const quality::Alpha& alpha) {
  Json out{{"state", quality::to_string(alpha.state)}};
  if (alpha.state != quality::AlphaState::defined) return out;
  out["value"] = alpha.value;
  if (alpha.interval) {
    out["low"] = alpha.interval->low;
    out["high"] = alpha.interval->high;
  }
  return out;
}

}  // namespace afina::collector
