// SPDX-License-Identifier: Apache-2.0
#include "collector/turns.h"

#include <gtest/gtest.h>

namespace afina::collector {
namespace {

/// One question and a pair of answers; "zorro" wrote A, "puma" wrote B.
class TurnsTest : public testing::Test {
 protected:
  TurnsTest() {
    view_.messages.push_back({.id = new_uuid(), .turn = 0, .role = "user", .content = "hola"});
    for (int slot : {0, 1}) {
      storage::Generation generation;
      generation.turn = 1;
      generation.slot = slot;
      generation.model = generation.upstream = slot == 0 ? "zorro" : "puma";
      generation.text = slot == 0 ? "texto A" : "texto B";
      view_.generations.push_back(generation);
    }
  }

  void expose(bool a_on_left) {
    view_.pairs.push_back(
        {.turn = 1, .generation_a_id = view_.generations[0].id, .generation_b_id = view_.generations[1].id});
    storage::Exposure exposure;
    exposure.pair_id = view_.pairs[0].id;
    exposure.a_on_left = a_on_left;
    view_.exposures.push_back(exposure);
  }
  void vote(storage::Outcome outcome, int grade) {
    for (auto& earlier : view_.preferences)
      earlier.superseded = true;
    storage::Preference row;
    row.id = new_uuid();
    row.exposure_id = view_.exposures[0].id;
    row.outcome = outcome;
    row.grade = grade;
    view_.preferences.push_back(row);
  }
  Turn turn() { return turns_of(view_).at(0); }

  storage::ConversationView view_;
};

TEST_F(TurnsTest, HideTheModelsUntilTheRevealEvenAfterTheVote) {
  expose(true);
  for (int step = 0; step < 2; ++step) {
    const std::string text = turn_json(turn(), false).dump();
    EXPECT_EQ(text.find("zorro"), std::string::npos);
    EXPECT_EQ(text.find("puma"), std::string::npos);
    vote(storage::Outcome::graded, 1);
  }
  view_.exposures[0].revealed_at = storage::Time::clock::now();
  EXPECT_EQ(turn_json(turn(), false)["reveal"], (Json{{"a", "zorro"}, {"b", "puma"}}));
}

TEST_F(TurnsTest, ShowBOnTheLeftWhereTheExposureSaysSo) {
  expose(false);
  view_.exposures[0].revealed_at = storage::Time::clock::now();
  vote(storage::Outcome::graded, 3);
  const Json json = turn_json(turn(), false);
  EXPECT_EQ(json["answers"][0]["side"], "a");
  EXPECT_EQ(json["answers"][0]["text"], "texto B");
  EXPECT_EQ(json["reveal"], (Json{{"a", "puma"}, {"b", "zorro"}}));
  EXPECT_EQ(json["vote"]["outcome"], -3) << "A much better is the right side here";
}

TEST_F(TurnsTest, AreNotVotableWithAFailedSide) {
  view_.generations[1].error = "upstream_slow";
  const Json json = turn_json(turn(), false);
  EXPECT_EQ(json["votable"], false);
  EXPECT_EQ(json["answers"][1]["error"], "upstream_slow");
  EXPECT_EQ(chosen_answer(turn())->text, "texto A") << "the whole answer goes on";
}

TEST_F(TurnsTest, GoOnWithTheBetterAnswerAndWithTheLeftOneOfEquals) {
  expose(false);
  EXPECT_EQ(chosen_answer(turn())->text, "texto B");
  vote(storage::Outcome::graded, 2);
  EXPECT_EQ(chosen_answer(turn())->text, "texto A");
  vote(storage::Outcome::graded, -1);
  EXPECT_EQ(chosen_answer(turn())->text, "texto B");
  for (const auto outcome : {storage::Outcome::both_good, storage::Outcome::both_bad, storage::Outcome::cannot_judge}) {
    vote(outcome, 0);
    EXPECT_EQ(chosen_answer(turn())->text, "texto B");
  }
}

TEST_F(TurnsTest, HaveNoVoteAfterARetraction) {
  expose(true);
  vote(storage::Outcome::graded, 2);
  EXPECT_NE(turn().vote, nullptr);
  vote(storage::Outcome::retracted, 0);
  EXPECT_EQ(turn().vote, nullptr);
  EXPECT_EQ(turn_json(turn(), false)["vote"], nullptr);
}

TEST_F(TurnsTest, ShowTheNewestAttemptOnly) {
  for (auto& generation : view_.generations)
    generation.error = "upstream_down";
  EXPECT_FALSE(turn().answered());
  EXPECT_EQ(turn().next_attempt(), 1);
  auto again = view_.generations;
  for (auto& generation : again) {
    generation.id = new_uuid();
    generation.attempt = 1;
    generation.error = "";
  }
  view_.generations.insert(view_.generations.end(), again.begin(), again.end());
  EXPECT_TRUE(turn().answered());
  EXPECT_EQ(turn().answers.size(), 2u);
}

TEST_F(TurnsTest, WithoutAnswersAreInterruptedOrRunning) {
  view_.generations.clear();
  EXPECT_EQ(turn_json(turn(), false)["state"], "interrupted");
  EXPECT_EQ(turn_json(turn(), true)["state"], "running");
}

TEST_F(TurnsTest, HistoryIsWhatWasSaidInOrder) {
  view_.messages.insert(view_.messages.begin(), {.role = "system", .content = "s"});
  view_.messages.push_back({.turn = 2, .role = "assistant", .content = "buenas"});
  const auto history = history_of(view_);
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0].role, "system");
  EXPECT_EQ(history[2].content, "buenas");
  EXPECT_EQ(next_position(view_), 3);
}

}  // namespace
}  // namespace afina::collector
