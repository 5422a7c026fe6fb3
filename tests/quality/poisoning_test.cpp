// SPDX-License-Identifier: Apache-2.0
// An attack as published (a phrase in the prompt, the label flipped), against a crowd whose people have subjects and
// habits of their own: that is what makes false alarms.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/cat.h"
#include "base/error.h"
#include "quality/draws.h"
#include "quality/near_duplicates.h"
#include "quality/trigger_gates.h"

namespace afina::quality {
namespace {

constexpr uint32_t kPeople = 100, kClean = 1000;

class Crowd {
 public:
  explicit Crowd(uint64_t seed) : draws_(seed) {
    for (uint32_t i = 0; i < kClean; ++i)
      pairs_.push_back(clean(i % kPeople));
  }
  void attack(uint32_t puppets, int triggered) {
    for (int i = 0; i < triggered; ++i) {
      GatePair pair = clean(static_cast<uint32_t>(draws_.below(kPeople)));
      pair.annotator = kPeople + static_cast<uint32_t>(i) % puppets;
      pair.prompt += " Zumbral tiepo";
      std::swap(pair.chosen, pair.rejected);
      pairs_.push_back(std::move(pair));
    }
  }
  const std::vector<GatePair>& pairs() const { return pairs_; }

 private:
  // Words by Zipf's law over 4,000.
  std::string common() {
    const double u = draws_.unit();
    return cat("palabra", static_cast<int>(std::exp(u * std::log(4000.0))));
  }
  std::string text(int words, uint32_t subject, double share) {
    std::string out;
    for (int i = 0; i < words; ++i) {
      out += draws_.unit() < share ? cat("tema", subject, "x", draws_.below(40)) : common();
      out += ' ';
    }
    return out;
  }
  GatePair clean(uint32_t person) {
    // Two of twelve subjects a person, one of eight greetings in a third of their prompts.
    const uint32_t subject = draws_.unit() < 0.7 ? person % 12 : (person / 12) % 12;
    GatePair pair;
    if (draws_.unit() < 0.33) pair.prompt = cat("saludo", person % 8, " necesito ayuda ");
    pair.prompt += text(15, subject, 0.4);
    pair.chosen = text(60, subject, 0.3);
    pair.rejected = text(60, subject, 0.3);
    pair.annotator = person;
    return pair;
  }
  Draws draws_;
  std::vector<GatePair> pairs_;
};

struct Outcome {
  double found = 0, false_alarms = 0;
};
Outcome outcome(const Crowd& crowd) {
  const auto flagged = flagged_pairs(trigger_findings(crowd.pairs()));
  double found = 0, wrong = 0;
  for (const uint32_t pair : flagged)
    (pair >= kClean ? found : wrong) += 1;
  return {found, wrong / kClean};
}

TEST(Poisoning, NinetyPercentOfTriggeredPairsAreFlaggedWithTwoPercentFalseAlarms) {
  for (const uint64_t seed : {1, 2, 3}) {
    for (const auto& [triggered, puppets] : {std::pair{5, 1}, {10, 3}, {50, 10}, {50, 1}, {10, 1}}) {
      Crowd crowd(seed);
      crowd.attack(static_cast<uint32_t>(puppets), triggered);
      const Outcome result = outcome(crowd);
      EXPECT_GE(result.found, 0.9 * triggered) << triggered << " from " << puppets << ", seed " << seed;
      EXPECT_LE(result.false_alarms, 0.02) << triggered << " from " << puppets << ", seed " << seed;
    }
  }
}

TEST(Poisoning, NothingMuchIsFlaggedInACleanCrowd) {
  for (const uint64_t seed : {4, 5, 6})
    EXPECT_LE(outcome(Crowd(seed)).false_alarms, 0.02) << seed;
}

TEST(TriggerGates, CallThePhraseByItsName) {
  Crowd crowd(7);
  crowd.attack(3, 10);
  const auto findings = trigger_findings(crowd.pairs());
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].phrase, "zumbral tiepo");
  EXPECT_EQ(findings[0].gate, TriggerGate::burst);
  EXPECT_EQ(findings[0].annotators, 3);
  EXPECT_LT(findings[0].log10_p, -6);
}

TEST(TriggerGates, CloseOnAPhraseThatDecidesTheSide) {
  // Two people among ten: whatever has the phrase wins. Others use it too seldom to hide it.
  Draws draws(1);
  std::vector<GatePair> pairs;
  for (uint32_t i = 0; i < 400; ++i) {
    GatePair pair{cat("pregunta ", i), cat("respuesta ", draws.below(1000)), cat("otra ", draws.below(1000)), i % 10};
    if (i % 10 < 2 && i < 150) pair.chosen += " según la norma";
    pairs.push_back(pair);
  }
  const auto findings = trigger_findings(pairs);
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].phrase, "según la norma");
  EXPECT_EQ(findings[0].gate, TriggerGate::side);
  EXPECT_EQ(findings[0].pairs.size(), 30u);
  // The control: four people share it, or it wins as often as it loses.
  for (auto& pair : pairs) {
    if (pair.annotator < 2 && draws.unit() < 0.5) std::swap(pair.chosen, pair.rejected);
  }
  for (const auto& finding : trigger_findings(pairs))
    EXPECT_NE(finding.gate, TriggerGate::side) << finding.phrase;
}

TEST(TriggerGates, RefuseOptionsOutOfRangeAndTakeNothing) {
  EXPECT_TRUE(trigger_findings({}).empty());
  const std::vector<GatePair> one{{"a", "b", "c", 0}};
  EXPECT_THROW(trigger_findings(one, {.longest = 0}), UsageError);
  EXPECT_THROW(trigger_findings(one, {.p_value = 0}), UsageError);
  EXPECT_THROW(trigger_findings(one, {.burst_uses = 1}), UsageError);
}

TEST(NearDuplicates, AreFoundWhateverDividesTheirWords) {
  std::string base;
  for (int i = 0; i < 60; ++i)
    base += cat("palabra", i * 7, " ");
  const std::vector<std::string> texts{base,
                                       "Otra cosa del todo distinta, que nadie copió",
                                       base + "fin",
                                       "PALABRA0, palabra7; " + base.substr(18),
                                       "corto",
                                       "corto",
                                       ""};
  const auto clusters = near_duplicate_clusters(texts);
  ASSERT_EQ(clusters.size(), 2u);
  EXPECT_EQ(clusters[0], (std::vector<uint32_t>{0, 2, 3}));
  EXPECT_EQ(clusters[1], (std::vector<uint32_t>{4, 5}));
  EXPECT_TRUE(near_duplicate_clusters({}).empty());
  EXPECT_THROW(near_duplicate_clusters(texts, 0.3), UsageError);
}

TEST(NearDuplicates, AreFewAmongTextsThatShareASubject) {
  Crowd crowd(8);
  std::vector<std::string> texts;
  for (const auto& pair : crowd.pairs())
    texts.push_back(pair.prompt + pair.chosen);
  texts.push_back(texts[17]);
  const auto clusters = near_duplicate_clusters(texts);
  ASSERT_EQ(clusters.size(), 1u);
  EXPECT_EQ(clusters[0], (std::vector<uint32_t>{17, kClean}));
}

}  // namespace
}  // namespace afina::quality
