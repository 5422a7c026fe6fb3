// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/verdict.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"

namespace afina::storage {
namespace {

[[noreturn]] void bad(const std::string& what, const std::string& must) {
  throw DataError(cat("[", what.substr(0, 100), "] ", must));
}

std::string letter(int position) {
  return std::string(1, static_cast<char>('a' + position));
}

int position_of(const Json& side, const std::string& what) {
  if (side.is_string()) {
    const auto& word = side.get_ref<const std::string&>();
    if (word == "only") return 0;
    if (word.size() == 1 && word[0] >= 'a' && word[0] <= 'z') return word[0] - 'a';
  }
  bad(what, "a side must be a letter from \"a\" on, but is not.");
}

const Json& member(const Json& json, const char* name, const std::string& what) {
  if (!json.is_object() || !json.contains(name)) bad(what, cat("must have \"", name, "\", but has not."));
  return json.at(name);
}

const Json& list_of(const Json& json, const char* name, const std::string& what) {
  const Json& list = member(json, name, what);
  if (!list.is_array() || list.size() > 500) bad(what, cat(name, " must be a list, but is not."));
  return list;
}

template <typename E>
E word_of(const Json& json, const char* name, const std::string& what) {
  const Json& word = member(json, name, what);
  E value{};
  if (!word.is_string() || !from_string(word.get_ref<const std::string&>(), value))
    bad(what, cat(name, " must be a known word, but is not."));
  return value;
}

int whole_of(const Json& value, int low, int high, const char* name, const std::string& what) {
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > 1000;
  if (!value.is_number_integer() || huge || value.get<int64_t>() < low || value.get<int64_t>() > high)
    bad(what, cat(name, " must be a whole number from ", low, " to ", high, ", but is not."));
  return value.get<int>();
}

int sign(int value) {
  return (value > 0) - (value < 0);
}

std::map<int, int> rank_of(const std::vector<std::vector<int>>& tiers) {
  std::map<int, int> rank;
  for (size_t tier = 0; tier < tiers.size(); ++tier)
    for (const int position : tiers[tier])
      rank[position] = static_cast<int>(tier);
  return rank;
}

void check_tiers(const TaskVerdict& verdict, int answers, const std::string& what) {
  std::set<int> seen;
  for (const auto& tier : verdict.tiers) {
    if (tier.empty()) bad(what, "a tier must hold an answer, but is empty.");
    for (const int position : tier) {
      if (position < 0 || position >= answers || !seen.insert(position).second)
        bad(what, "tiers must name every answer once, but do not.");
    }
  }
  if (static_cast<int>(seen.size()) != answers) bad(what, "tiers must name every answer once, but do not.");
}

template <typename Turn>
TaskVerdict turned(const TaskVerdict& verdict, int first, const Turn& turn) {
  TaskVerdict out = verdict;
  // Two answers only: where they stand the other way round, so does the grade.
  if (first == 1) out.grade = -out.grade;
  for (auto& tier : out.tiers)
    for (int& position : tier)
      position = turn(position);
  for (auto& rating : out.ratings)
    rating.position = turn(rating.position);
  for (auto& flag : out.flags)
    flag.position = turn(flag.position);
  return out;
}

int at_or_refuse(const std::vector<int>& order, int index) {
  if (index < 0 || index >= static_cast<int>(order.size()))
    throw DataError("[verdict] a side must be one that was shown, but is not.");
  return order[static_cast<size_t>(index)];
}

bool ranking_agrees(const TaskVerdict& gold, const TaskVerdict& given) {
  auto gold_rank = rank_of(gold.tiers), given_rank = rank_of(given.tiers);
  int strict = 0, shared = 0;
  for (const auto& [a, rank_a] : gold_rank) {
    for (const auto& [b, rank_b] : gold_rank) {
      if (rank_a >= rank_b) continue;
      ++strict;
      shared += given_rank[a] < given_rank[b];
    }
  }
  return strict == 0 ? given.tiers.size() == 1 : shared >= kRankingPass * strict;
}

bool ratings_agree(const TaskVerdict& gold, const TaskVerdict& given) {
  return std::ranges::all_of(gold.ratings, [&](const PositionRating& g) {
    return std::ranges::any_of(given.ratings, [&](const PositionRating& r) {
      return r.position == g.position && r.aspect == g.aspect && std::abs(r.value - g.value) <= 1;
    });
  });
}

std::set<std::pair<int, FlagKind>> flag_set(const TaskVerdict& verdict) {
  std::set<std::pair<int, FlagKind>> out;
  for (const auto& flag : verdict.flags)
    out.emplace(flag.position, flag.kind);
  return out;
}

Spread grade_spread(const std::vector<TaskVerdict>& verdicts) {
  int low = 0, high = 0, seen = 0;
  bool good = false, bad_both = false;
  for (const auto& v : verdicts) {
    if (!v.outcome || *v.outcome == Outcome::cannot_judge) continue;
    const int grade = *v.outcome == Outcome::graded ? v.grade : 0;
    low = seen == 0 ? grade : std::min(low, grade);
    high = seen == 0 ? grade : std::max(high, grade);
    good |= *v.outcome == Outcome::both_good;
    bad_both |= *v.outcome == Outcome::both_bad;
    ++seen;
  }
  const int range = high - low;
  return {static_cast<double>(range), (low < 0 && high > 0) || range >= 3 || (good && bad_both)};
}

Spread ranking_spread(const std::vector<TaskVerdict>& verdicts) {
  double worst = 0;
  for (size_t i = 0; i < verdicts.size(); ++i)
    for (size_t j = i + 1; j < verdicts.size(); ++j)
      worst = std::max(worst, kendall_distance(verdicts[i].tiers, verdicts[j].tiers));
  return {worst, worst >= kKendallDisputed};
}

Spread rating_spread(const std::vector<TaskVerdict>& verdicts) {
  std::map<std::pair<int, Aspect>, std::pair<int, int>> range;
  int worst = 0;
  for (const auto& v : verdicts) {
    for (const auto& r : v.ratings) {
      auto& [low, high] = range.try_emplace({r.position, r.aspect}, r.value, r.value).first->second;
      low = std::min(low, r.value);
      high = std::max(high, r.value);
      worst = std::max(worst, high - low);
    }
  }
  return {static_cast<double>(worst), worst >= 2};
}

Spread flag_spread(const std::vector<TaskVerdict>& verdicts) {
  double worst = 0;
  for (size_t i = 0; i < verdicts.size(); ++i) {
    for (size_t j = i + 1; j < verdicts.size(); ++j) {
      const auto a = flag_set(verdicts[i]), b = flag_set(verdicts[j]);
      const auto both = std::ranges::count_if(a, [&](const auto& flag) { return b.contains(flag); });
      const auto either = static_cast<double>(a.size() + b.size()) - static_cast<double>(both);
      if (either > 0) worst = std::max(worst, 1 - static_cast<double>(both) / either);
    }
  }
  return {worst, worst > 0};
}

}  // namespace

void check_verdict(ProjectKind kind, const TaskVerdict& verdict, int answers, const std::string& what) {
  for (const auto& r : verdict.ratings) {
    if (r.position < 0 || r.position >= answers) bad(what, "a rating must be about an answer, but is not.");
    if (r.value < 1 || r.value > 5) bad(what, cat("a rating must be from 1 to 5, but is ", r.value, "."));
  }
  for (const auto& f : verdict.flags)
    if (f.position < 0 || f.position >= answers) bad(what, "a flag must be about an answer, but is not.");
  if ((kind == ProjectKind::pairwise) != verdict.outcome.has_value())
    bad(what, kind == ProjectKind::pairwise ? "a pair must have an outcome, but has none."
                                            : "only a pair must have an outcome, but this is none.");
  if (verdict.outcome) {
    if (*verdict.outcome == Outcome::retracted) bad(what, "an outcome must be a judgement, but is a retraction.");
    if (verdict.grade < -3 || verdict.grade > 3 || (*verdict.outcome != Outcome::graded && verdict.grade != 0))
      bad(what, cat("a grade must be from -3 to 3, but is ", verdict.grade, "."));
  }
  if (kind == ProjectKind::ranking) check_tiers(verdict, answers, what);
  if (kind != ProjectKind::ranking && !verdict.tiers.empty()) bad(what, "only a ranking must have tiers.");
  if (kind == ProjectKind::rating && verdict.ratings.empty())
    bad(what, "a rating must rate an answer, but rates none.");
}

Json verdict_to_json(ProjectKind kind, const TaskVerdict& verdict) {
  Json out = Json::object();
  if (verdict.outcome) {
    out["outcome"] = *verdict.outcome == Outcome::graded ? Json(verdict.grade) : Json(to_string(*verdict.outcome));
  }
  if (kind == ProjectKind::ranking) {
    out["tiers"] = Json::array();
    for (const auto& tier : verdict.tiers) {
      Json letters = Json::array();
      for (const int position : tier)
        letters.push_back(letter(position));
      out["tiers"].push_back(letters);
    }
  }
  if (!verdict.ratings.empty() || kind == ProjectKind::rating) {
    out["aspects"] = Json::array();
    for (const auto& r : verdict.ratings)
      out["aspects"].push_back({{"side", letter(r.position)}, {"aspect", to_string(r.aspect)}, {"value", r.value}});
  }
  if (!verdict.flags.empty() || kind == ProjectKind::flagging) {
    out["flags"] = Json::array();
    for (const auto& f : verdict.flags)
      out["flags"].push_back({{"side", letter(f.position)}, {"kind", to_string(f.kind)}});
  }
  return out;
}

TaskVerdict verdict_from_json(ProjectKind kind, const Json& json, int answers, const std::string& what) {
  static const std::map<ProjectKind, std::string> field_of{{ProjectKind::pairwise, "outcome"},
                                                           {ProjectKind::ranking, "tiers"},
                                                           {ProjectKind::rating, "aspects"},
                                                           {ProjectKind::flagging, "flags"}};
  const auto field = field_of.find(kind);
  if (field == field_of.end()) bad(what, "a rewrite must have no known answer, but one is given.");
  if (!json.is_object() || json.size() != 1 || !json.contains(field->second))
    bad(what, cat("must be {\"", field->second, "\": …} and nothing else."));
  TaskVerdict verdict;
  if (kind == ProjectKind::pairwise) {
    const Json& value = json.at("outcome");
    if (value.is_string()) {
      verdict.outcome = word_of<Outcome>(json, "outcome", what);
      if (*verdict.outcome == Outcome::graded) bad(what, "outcome must be a number or a word, but is \"graded\".");
    } else {
      verdict.outcome = Outcome::graded;
      verdict.grade = whole_of(value, -3, 3, "outcome", what);
    }
  } else if (kind == ProjectKind::ranking) {
    for (const Json& tier : list_of(json, "tiers", what)) {
      if (!tier.is_array() || tier.size() > 26) bad(what, "a tier must be a list of sides, but is not.");
      auto& sides = verdict.tiers.emplace_back();
      for (const Json& side : tier)
        sides.push_back(position_of(side, what));
    }
  } else if (kind == ProjectKind::rating) {
    for (const Json& r : list_of(json, "aspects", what)) {
      verdict.ratings.push_back({position_of(member(r, "side", what), what), word_of<Aspect>(r, "aspect", what),
                                 whole_of(member(r, "value", what), 1, 5, "value", what)});
    }
  } else {
    for (const Json& f : list_of(json, "flags", what))
      verdict.flags.push_back({position_of(member(f, "side", what), what), word_of<FlagKind>(f, "kind", what)});
  }
  check_verdict(kind, verdict, answers, what);
  return verdict;
}

TaskVerdict as_shown(const TaskVerdict& verdict, const std::vector<int>& shown_order) {
  return turned(verdict, shown_order.empty() ? 0 : shown_order[0], [&](int position) {
    const auto at = std::ranges::find(shown_order, position);
    if (at == shown_order.end()) throw DataError("[verdict] a side must be one that was shown, but is not.");
    return static_cast<int>(at - shown_order.begin());
  });
}

TaskVerdict as_stored(const TaskVerdict& verdict, const std::vector<int>& shown_order) {
  TaskVerdict out = turned(verdict, shown_order.empty() ? 0 : shown_order[0],
                           [&](int side) { return at_or_refuse(shown_order, side); });
  for (auto& tier : out.tiers)
    std::ranges::sort(tier);
  return out;
}

bool agrees_with_gold(ProjectKind kind, const TaskVerdict& gold, const TaskVerdict& given) {
  switch (kind) {
    case ProjectKind::pairwise:
      return gold.outcome == given.outcome && sign(gold.grade) == sign(given.grade);
    case ProjectKind::ranking:
      return ranking_agrees(gold, given);
    case ProjectKind::rating:
      return ratings_agree(gold, given);
    case ProjectKind::flagging:
      return flag_set(gold) == flag_set(given);
    case ProjectKind::rewrite:
      return true;
  }
  throw InternalError("[storage.tasks] a kind must be known, but is not.");
}

Spread spread_of(ProjectKind kind, const std::vector<TaskVerdict>& verdicts) {
  if (kind == ProjectKind::pairwise) return grade_spread(verdicts);
  if (kind == ProjectKind::ranking) return ranking_spread(verdicts);
  if (kind == ProjectKind::rating) return rating_spread(verdicts);
  if (kind == ProjectKind::flagging) return flag_spread(verdicts);
  return {};
}

Spread rewrite_spread(const std::vector<std::string>& rewrites) {
  const std::set<std::string> different(rewrites.begin(), rewrites.end());
  const size_t others = different.empty() ? 0 : different.size() - 1;
  return {static_cast<double>(others), others > 0};
}

double kendall_distance(const std::vector<std::vector<int>>& a, const std::vector<std::vector<int>>& b) {
  auto rank_a = rank_of(a), rank_b = rank_of(b);
  double apart = 0, pairs = 0;
  for (auto i = rank_a.begin(); i != rank_a.end(); ++i) {
    for (auto j = std::next(i); j != rank_a.end(); ++j) {
      const int in_a = sign(i->second - j->second), in_b = sign(rank_b[i->first] - rank_b[j->first]);
      apart += std::abs(in_a - in_b) / 2.0;
      pairs += 1;
    }
  }
  return pairs == 0 ? 0 : apart / pairs;
}

}  // namespace afina::storage
