// SPDX-License-Identifier: Apache-2.0
// One network that makes many visitors weighs no more than its share, beside the controls that it otherwise would.
#include "datasets/snapshot_caps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/cat.h"
#include "base/error.h"
#include "datasets/snapshot_plan.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;

constexpr int64_t kAttackers = 1'000'000;

struct Crowd {
  std::vector<EligiblePair> pairs;
  Networks networks;

  void vote(const std::string& visitor, int64_t network, int grade, const std::string& name = "") {
    EligiblePair pair;
    pair.pair.id = cat("p", pairs.size());
    pair.a.id = pair.pair.id + "-a";
    pair.b.id = pair.pair.id + "-b";
    storage::Message message;
    message.role = "user";
    message.content = cat("pregunta ", pairs.size());
    pair.prompt.push_back(message);
    storage::Preference vote;
    vote.id = cat("v", pairs.size());
    vote.visitor_id = visitor;
    vote.annotator_id = visitor;
    vote.annotator_name = name;
    vote.grade = grade;
    pair.votes.push_back(vote);
    pairs.push_back(std::move(pair));
    if (network > 0) networks[visitor] = network;
  }
};

// 4,000 people of 400 networks vote for A, five times each; forty of one /24 vote twenty times each for B.
Crowd attacked() {
  Crowd crowd;
  for (int i = 0; i < 20'000; ++i)
    crowd.vote(cat("persona ", i % 4'000), 1 + i % 400, 2);
  for (int i = 0; i < 800; ++i)
    crowd.vote(cat("títere ", i % 40), kAttackers, -3);
  return crowd;
}

GateOptions with_share(double share) {
  return {.annotator_cap = kAutomaticCap,
          .max_network_share = share,
          .near_duplicates = NearDuplicates::keep,
          .triggers = TriggerPolicy::allow};
}

int64_t votes_for_b(const std::vector<EligiblePair>& pairs) {
  return std::ranges::count_if(pairs, [](const EligiblePair& pair) { return pair.votes.at(0).grade < 0; });
}

TEST(SnapshotCaps, FortyVisitorsOfOneNetworkMoveNoMoreThanItsShare) {
  const Crowd crowd = attacked();
  const GatedPairs capped = gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, crowd.networks);
  EXPECT_GT(votes_for_b(capped.pairs), 0) << "they are capped, not shut out";
  EXPECT_LE(static_cast<double>(votes_for_b(capped.pairs)), 0.01 * static_cast<double>(capped.pairs.size()));
  EXPECT_EQ(static_cast<int64_t>(capped.pairs.size()) - votes_for_b(capped.pairs), 20'000) << "the others all stay";
  EXPECT_EQ(capped.counts["network_cap"], (Json{{"cap", 202},
                                                {"judgements", 20'800},
                                                {"networks", 401},
                                                {"of_unknown_networks", 0},
                                                {"networks_over", 1},
                                                {"left_out", 598}}));
  EXPECT_EQ(capped.counts["annotator_cap"]["left_out"], 0)
      << "each of them by themselves is within the cap of a person";

  const GatedPairs open = gate_pairs(crowd.pairs, with_share(1), 1, crowd.networks);
  EXPECT_EQ(votes_for_b(open.pairs), 800) << "the control: no cap asked for";
  EXPECT_EQ(open.counts["network_cap"]["left_out"], 0);
  EXPECT_EQ(votes_for_b(gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, {}).pairs), 800)
      << "the control: no network known";
}

TEST(SnapshotCaps, WhichVotesStayIsDrawnButTheSameEachTime) {
  const Crowd crowd = attacked();
  const auto kept = [&](uint64_t seed) {
    std::vector<std::string> ids;
    for (const auto& pair : gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), seed, crowd.networks).pairs) {
      if (pair.votes.at(0).grade < 0) ids.push_back(pair.votes.at(0).id);
    }
    return ids;
  };
  EXPECT_EQ(kept(1), kept(1));
  EXPECT_NE(kept(1), kept(2));
}

TEST(SnapshotCaps, SmallSetsAreLeftAlone) {
  Crowd crowd;
  for (int i = 0; i < 100; ++i)
    crowd.vote(cat("alumna ", i % 25), 1, 2);
  EXPECT_EQ(gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, crowd.networks).pairs.size(), 100U)
      << "a class in one building";
  for (int i = 0; i < 60; ++i)
    crowd.vote(cat("alumna ", i % 25), 1, 2);
  EXPECT_EQ(gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, crowd.networks).pairs.size(), 100U)
      << "the control: above that the share decides";
}

TEST(SnapshotCaps, PeopleWithAnAccountAndOfUnknownNetworksAreNotCapped) {
  Crowd crowd;
  for (int i = 0; i < 300; ++i)
    crowd.vote(cat("anotadora ", i % 15), 1, 2, "Ana");
  for (int i = 0; i < 300; ++i)
    crowd.vote(cat("desconocida ", i % 15), 0, 2);
  const GatedPairs gated = gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, crowd.networks);
  EXPECT_EQ(gated.pairs.size(), 600U);
  EXPECT_EQ(gated.counts["network_cap"]["networks"], 0);
  EXPECT_EQ(gated.counts["network_cap"]["of_unknown_networks"], 300);
  for (int i = 0; i < 15; ++i)
    crowd.networks[cat("desconocida ", i)] = 1;
  EXPECT_EQ(gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, crowd.networks).pairs.size(), 400U)
      << "the control";
}

// Anybody may send any name: a program that says one is a stranger like whoever says none.
TEST(SnapshotCaps, ProgramsThatOnlySayANameAreCapped) {
  for (const std::string name : {"api:granja", "demo:granja"}) {
    Crowd crowd;
    for (int i = 0; i < 300; ++i)
      crowd.vote(cat("títere ", i % 15), 1, 2, name);
    EXPECT_EQ(gate_pairs(crowd.pairs, with_share(kMaxNetworkShare), 1, crowd.networks).pairs.size(), 100U)
        << "as one network";
    Crowd one;
    for (int i = 0; i < 300; ++i)
      one.vote("títere", 0, 2, name);
    EXPECT_EQ(gate_pairs(one.pairs, with_share(kMaxNetworkShare), 1).pairs.size(), 20U) << "as one person";
  }
}

TEST(SnapshotCaps, RewritesCountWithVotes) {
  Crowd crowd;
  crowd.vote("ana", 1, 1);
  for (int i = 0; i < 150; ++i) {
    storage::Rewrite rewrite;
    rewrite.id = cat("r", i);
    rewrite.annotator_id = rewrite.visitor_id = cat("títere ", i % 40);
    crowd.networks[rewrite.visitor_id] = 2;
    crowd.pairs[0].rewrites.push_back(rewrite);
  }
  EXPECT_EQ(gate_pairs(crowd.pairs, with_share(0.5), 1, crowd.networks).pairs.at(0).rewrites.size(), 100U);
}

TEST(SnapshotCaps, AShareMustBeOne) {
  for (const double share : {0.0, -0.1, 1.1, std::nan("")})
    EXPECT_THROW(gate_pairs({}, with_share(share), 1), UsageError) << share;
}

TEST(SnapshotCaps, APlanTakesTheNetworksAlong) {
  const Crowd crowd = attacked();
  SnapshotSpec spec;
  spec.gates = with_share(kMaxNetworkShare);
  EXPECT_EQ(plan_snapshot(crowd.pairs, spec, crowd.networks).counts["network_cap"]["left_out"], 598);
}

}  // namespace
}  // namespace afina::datasets
