// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/leaderboard.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "quality/acceptability.h"
#include "quality/informative_pair.h"
#include "quality/ratings.h"
#include "quality/special_functions.h"

namespace afina::collector {
namespace {

using storage::RatingVote;

// Names of models that enough people judged, against others of which the same holds.
std::set<std::string> shown_models(const std::vector<RatingVote>& votes, int64_t at_least, int64_t& suppressed) {
  std::set<std::string> all;
  for (const auto& vote : votes) {
    all.insert(vote.left);
    all.insert(vote.right);
  }
  std::set<std::string> shown = all;
  for (bool changed = true; changed;) {
    std::map<std::string, std::unordered_set<std::string>> people;
    for (const auto& vote : votes) {
      if (!shown.contains(vote.left) || !shown.contains(vote.right)) continue;
      people[vote.left].insert(vote.annotator_id);
      people[vote.right].insert(vote.annotator_id);
    }
    changed = std::erase_if(shown, [&](const std::string& name) {
                return static_cast<int64_t>(people[name].size()) < at_least;
              }) > 0;
  }
  suppressed = static_cast<int64_t>(all.size() - shown.size());
  return shown;
}

struct Tally {
  int64_t battles = 0, wins = 0, ties = 0;
};

struct Dense {
  std::vector<std::string> names;
  std::vector<quality::Battle> battles;
  std::vector<quality::AcceptabilityVote> verdicts;
  std::vector<Tally> tallies;
  int64_t votes = 0, annotators = 0;
};

Dense dense(const std::vector<RatingVote>& votes, const std::set<std::string>& shown) {
  Dense out;
  out.names.assign(shown.begin(), shown.end());
  out.tallies.resize(out.names.size());
  std::map<std::string, uint32_t> number;
  for (uint32_t i = 0; i < out.names.size(); ++i)
    number[out.names[i]] = i;
  std::unordered_map<std::string, uint32_t> people;
  for (const auto& vote : votes) {
    const auto left = number.find(vote.left), right = number.find(vote.right);
    if (left == number.end() || right == number.end()) continue;
    const uint32_t l = left->second, r = right->second;
    const auto person = people.emplace(vote.annotator_id, static_cast<uint32_t>(people.size())).first->second;
    out.votes += vote.count;
    for (const uint32_t m : {l, r}) {
      out.tallies[m].battles += vote.count;
      out.tallies[m].ties += vote.winner == 0 && !vote.both_bad ? vote.count : 0;
    }
    if (vote.winner != 0) out.tallies[vote.winner > 0 ? l : r].wins += vote.count;
    // A tie may be "both good" or equal grades; only a person's "both bad" says that none will do.
    out.verdicts.push_back(
        {l, r, vote.both_bad ? quality::PairVerdict::both_bad : quality::PairVerdict::graded, vote.count});
    if (vote.both_bad) continue;
    const auto winner = vote.winner > 0   ? quality::Winner::left
                        : vote.winner < 0 ? quality::Winner::right
                                          : quality::Winner::tie;
    out.battles.push_back({l, r, winner, person, vote.count});
  }
  out.annotators = static_cast<int64_t>(people.size());
  return out;
}

Json separations(const Dense& data, const quality::RatingFit& fit, const std::vector<size_t>& order) {
  Json out = Json::array();
  for (size_t i = 0; i + 1 < order.size() && i < 20; ++i) {
    const auto first = static_cast<uint32_t>(order[i]), second = static_cast<uint32_t>(order[i + 1]);
    const auto votes = quality::votes_to_separate(fit, first, second);
    out.push_back(
        {{"first", data.names[first]}, {"second", data.names[second]}, {"votes", votes ? Json(*votes) : Json()}});
  }
  return out;
}

}  // namespace

Json leaderboard(const std::vector<RatingVote>& votes, const LeaderboardOptions& options) {
  int64_t suppressed = 0;
  const Dense data = dense(votes, shown_models(votes, options.at_least, suppressed));
  Json out{{"models", Json::array()},     {"position", nullptr},           {"model", quality::to_string(options.model)},
           {"votes", data.votes},         {"annotators", data.annotators}, {"suppressed", suppressed},
           {"to_separate", Json::array()}};
  if (data.battles.empty()) return out;
  const auto models = static_cast<uint32_t>(data.names.size());
  const auto fit = quality::fit_ratings(data.battles, models, {.ties = options.model});
  const auto ratings = quality::published_ratings(fit);
  const auto acceptable = quality::fit_acceptability(data.verdicts, models);
  std::vector<size_t> order(models);
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return ratings[a].rating > ratings[b].rating; });
  for (const size_t i : order) {
    const Tally& tally = data.tallies[i];
    out["models"].push_back({{"name", data.names[i]},
                             {"rating", ratings[i].rating},
                             {"low", ratings[i].low},
                             {"high", ratings[i].high},
                             {"rank", ratings[i].rank},
                             {"battles", tally.battles},
                             {"wins", tally.wins},
                             {"ties", tally.ties},
                             {"acceptable",
                              {{"share", acceptable[i].share},
                               {"low", acceptable[i].interval.low},
                               {"high", acceptable[i].interval.high}}}});
  }
  const double half = quality::normal_quantile_two_sided(0.95) * *fit.position_error;
  out["position"] = {{"log_odds", *fit.position}, {"low", *fit.position - half}, {"high", *fit.position + half}};
  out["connected"] = fit.connected;
  out["nu"] = options.model == quality::TieModel::half_wins ? Json() : Json(fit.nu);
  out["to_separate"] = separations(data, fit, order);
  return out;
}

}  // namespace afina::collector
