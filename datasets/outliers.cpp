// SPDX-License-Identifier: Apache-2.0
#include "datasets/outliers.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/words.h"
#include "quality/annotator_checks.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;

constexpr Words<OutlierPolicy, 2> kPolicies{{{OutlierPolicy::allow, "allow"}, {OutlierPolicy::drop, "drop"}}};

// One strict vote on two models, in the order of their names.
struct Choice {
  std::pair<std::string, std::string> models;
  bool first = false;
  storage::Time at{};
  std::string vote_id;
};
struct Sides {
  int64_t first = 0, second = 0;
  void add(bool is_first) { ++(is_first ? first : second); }
};
struct Odds {
  Sides all;
  std::map<std::string, Sides> by_person;
};

struct Votes {
  std::map<std::string, std::vector<Choice>> of_strangers;
  std::map<std::pair<std::string, std::string>, Odds> odds;
};

Votes votes_of(const std::vector<EligiblePair>& pairs) {
  Votes out;
  for (const EligiblePair& pair : pairs) {
    if (pair.a.model == pair.b.model) continue;
    const bool in_order = pair.a.model < pair.b.model;
    const std::pair models = in_order ? std::pair(pair.a.model, pair.b.model) : std::pair(pair.b.model, pair.a.model);
    for (const auto& vote : pair.votes) {
      if (vote.outcome != storage::Outcome::graded || vote.grade == 0) continue;
      const bool first = (vote.grade > 0) == in_order;
      Odds& odds = out.odds[models];
      odds.all.add(first);
      odds.by_person[vote.annotator_id].add(first);
      if (storage::is_stranger(vote.annotator_name))
        out.of_strangers[vote.annotator_id].push_back({models, first, vote.created_at, vote.id});
    }
  }
  return out;
}

bool is_outlier(const std::string& person, std::vector<Choice> choices, const Votes& votes) {
  std::ranges::sort(choices, {}, [](const Choice& c) { return std::tie(c.at, c.vote_id); });
  quality::OutlierMartingale martingale;
  for (const Choice& choice : choices) {
    const Odds& odds = votes.odds.at(choice.models);
    const Sides& own = odds.by_person.at(person);
    const int64_t first = odds.all.first - own.first, second = odds.all.second - own.second;
    if (first + second == 0) continue;
    martingale.add(static_cast<double>((choice.first ? first : second) + 1) / static_cast<double>(first + second + 2));
  }
  return martingale.flagged();
}

}  // namespace

std::string_view to_string(OutlierPolicy value) {
  return word_of(kPolicies, value);
}

bool from_string(std::string_view word, OutlierPolicy& out) {
  return value_of(kPolicies, word, out);
}

Json apply_outliers(std::vector<EligiblePair>& pairs, OutlierPolicy policy) {
  const Votes votes = votes_of(pairs);
  std::set<std::string> flagged;
  for (const auto& [person, choices] : votes.of_strangers) {
    if (is_outlier(person, choices, votes)) flagged.insert(person);
  }
  int64_t judgements = 0;
  const auto is_theirs = [&](const auto& act) {
    const bool theirs = flagged.contains(act.annotator_id);
    judgements += theirs ? 1 : 0;
    return theirs && policy == OutlierPolicy::drop;
  };
  for (EligiblePair& pair : pairs) {
    std::erase_if(pair.votes, is_theirs);
    std::erase_if(pair.rewrites, is_theirs);
  }
  return {{"tested", votes.of_strangers.size()},
          {"flagged", flagged.size()},
          {"judgements", judgements},
          {"left_out", policy == OutlierPolicy::drop ? judgements : 0}};
}

}  // namespace afina::datasets
