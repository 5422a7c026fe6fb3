// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/leaderboard.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "collector/quality/layouts.h"
#include "quality/acceptability.h"
#include "quality/informative_pair.h"
#include "quality/noisy_bradley_terry.h"
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
  bool sided = false;
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
    out.battles.push_back({l, r, winner, person, vote.count, vote.sided});
    out.sided |= vote.sided;
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

double quartile(const std::vector<double>& sorted, size_t quarter) {
  return sorted[(sorted.size() - 1) * quarter / 4];
}

Json skill_json(const quality::NoisyFit& fit, const std::vector<int64_t>& votes, int64_t at_least) {
  std::vector<double> judged;
  for (size_t who = 0; who < votes.size(); ++who) {
    if (votes[who] >= kEnoughVotes) judged.push_back(quality::sigmoid(fit.skill[who]));
  }
  if (std::cmp_less(judged.size(), std::max<int64_t>(1, at_least))) return nullptr;
  std::sort(judged.begin(), judged.end());
  return {{"annotators", judged.size()},
          {"low", quartile(judged, 1)},
          {"median", quartile(judged, 2)},
          {"high", quartile(judged, 3)}};
}

Json noisy_json(const Dense& data, int64_t at_least) {
  const auto fit = quality::fit_noisy_bradley_terry(data.battles, static_cast<uint32_t>(data.names.size()),
                                                    static_cast<uint32_t>(data.annotators));
  std::vector<int64_t> votes(static_cast<size_t>(data.annotators)), sided(votes.size());
  for (const auto& battle : data.battles) {
    votes[battle.annotator] += battle.count;
    sided[battle.annotator] += battle.sided ? battle.count : 0;
  }
  double sum = 0, all = 0;
  for (size_t who = 0; who < sided.size(); ++who) {
    sum += static_cast<double>(sided[who]) * fit.bias[who];
    all += static_cast<double>(sided[who]);
  }
  Json out{{"models", Json::array()}, {"position", nullptr}, {"skill", skill_json(fit, votes, at_least)}};
  for (size_t i = 0; i < data.names.size(); ++i)
    out["models"].push_back({{"name", data.names[i]}, {"rating", quality::rating_of(fit.strength[i])}});
  std::stable_sort(out["models"].begin(), out["models"].end(),
                   [](const Json& a, const Json& b) { return a["rating"] > b["rating"]; });
  if (all > 0) out["position"] = {{"log_odds", sum / all}, {"left_share", quality::sigmoid(sum / all)}};
  return out;
}

}  // namespace

Json leaderboard(const std::vector<RatingVote>& votes, const LeaderboardOptions& options) {
  int64_t suppressed = 0;
  const std::set<std::string> shown = shown_models(votes, options.at_least, suppressed);
  const Dense data = dense(votes, shown);
  Json out{{"models", Json::array()},
           {"position", nullptr},
           {"layouts", first_shares(votes, shown, options.at_least)},
           {"model", quality::to_string(options.model)},
           {"votes", data.votes},
           {"annotators", data.annotators},
           {"suppressed", suppressed},
           {"to_separate", Json::array()},
           {"noisy", nullptr}};
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
  if (fit.position) {
    const double half = quality::normal_quantile_two_sided(0.95) * *fit.position_error;
    out["position"] = {{"log_odds", *fit.position}, {"low", *fit.position - half}, {"high", *fit.position + half}};
  }
  out["noisy"] = noisy_json(data, options.at_least);
  out["connected"] = fit.connected;
  out["nu"] = options.model == quality::TieModel::half_wins ? Json() : Json(fit.nu);
  out["to_separate"] = separations(data, fit, order);
  return out;
}

}  // namespace afina::collector
