// SPDX-License-Identifier: Apache-2.0
// score(): log-probabilities and most likely next tokens of given ids, against the peers and against single rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/model.h"
#include "model/score.h"
#include "tests/model/batches.h"
#include "tests/support/golden.h"

namespace afina::model {
namespace {

using ::testing::HasSubstr;

TEST(Score, OfTheRealSmallModelEqualsThePeers) {
  const Json golden = parse_json(read_file(golden_path("smollm2/logits.json")), "logits.json");
  TrainingModel training(load_model(smollm2_gguf()));
  for (const Json& prompt : golden["prompts"]) {
    const auto ids = prompt["ids"].get<std::vector<int>>();
    const Scores scores = score(training, ids, nullptr, 5);
    const auto want = prompt["token_logprobs"].get<std::vector<double>>();
    ASSERT_EQ(scores.logprobs.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      EXPECT_NEAR(scores.logprobs[i], want[i], 1e-4) << i;
    ASSERT_EQ(scores.top.size(), 5U);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(scores.top[i].first, prompt["last_top64_ids"][i].get<int>()) << i;
      EXPECT_NEAR(scores.top[i].second, prompt["last_top64"][i].get<double>() - prompt["last_logsumexp"].get<double>(),
                  3e-4);
    }
  }
}

TEST(Score, WithThePeersLogSoftmaxHasTheirSumsOverLongTexts) {
  const Json golden = parse_json(read_file(golden_path("smollm2/logits.json")), "logits.json");
  TrainingModel training(load_model(smollm2_gguf()), {.head_sum = HeadSum::log_softmax});
  for (const Json& prompt : golden["prompts"]) {
    const auto want = prompt["token_logprobs"].get<std::vector<double>>();
    const Scores scores = score(training, prompt["ids"].get<std::vector<int>>(), nullptr, 0);
    EXPECT_NEAR(std::accumulate(scores.logprobs.begin(), scores.logprobs.end(), 0.0),
                std::accumulate(want.begin(), want.end(), 0.0), 5e-4);
  }
}

class TinyScore : public ::testing::Test {
 protected:
  TrainingModel training_{load_model(golden_path("tiny/llama31"))};
  std::string error_of(const std::vector<int>& ids, int top) {
    try {
      score(training_, ids, nullptr, top);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

TEST_F(TinyScore, ManyRowsGiveWhatEachGivesAlone) {
  std::vector<std::vector<int>> rows;
  for (const int length : {512, 1, 30, 2, 77, 200, 1})
    rows.push_back(random_ids(length, 320, static_cast<unsigned>(length)));
  for (const int64_t max_rows : {1, 100, 4096}) {
    const auto together = score(training_, rows, nullptr, 3, max_rows);
    ASSERT_EQ(together.size(), rows.size());
    for (size_t r = 0; r < rows.size(); ++r) {
      const Scores alone = score(training_, rows[r], nullptr, 3);
      ASSERT_EQ(together[r].logprobs.size(), rows[r].size() - 1);
      for (size_t i = 0; i < alone.logprobs.size(); ++i)
        EXPECT_NEAR(together[r].logprobs[i], alone.logprobs[i], 1e-9);
      ASSERT_EQ(together[r].top.size(), 3U);
      EXPECT_EQ(together[r].top[0].first, alone.top[0].first);
    }
  }
}

TEST_F(TinyScore, TheWholeVocabularySumsToOneInFallingOrder) {
  const Scores scores = score(training_, random_ids(8, 320, 1), nullptr, 320);
  double sum = 0;
  for (size_t i = 0; i < scores.top.size(); ++i) {
    sum += std::exp(scores.top[i].second);
    EXPECT_LE(scores.top[i].second, i > 0 ? scores.top[i - 1].second : 0.0);
  }
  EXPECT_NEAR(sum, 1.0, 1e-9);
  EXPECT_TRUE(score(training_, random_ids(8, 320, 1), nullptr, 0).top.empty());
}

TEST_F(TinyScore, WhatCannotBeScoredIsNamed) {
  EXPECT_THAT(error_of({}, 0), HasSubstr("at least one id"));
  EXPECT_THAT(error_of({1, 320}, 0), HasSubstr("ids[1] is 320"));
  EXPECT_THAT(error_of({-1}, 0), HasSubstr("ids[0] is -1"));
  EXPECT_THAT(error_of({1}, 321), HasSubstr("0..320"));
  EXPECT_THAT(error_of({1}, -1), HasSubstr("0..320"));
  EXPECT_THAT(error_of(random_ids(513, 320, 1), 0), HasSubstr("context of 512"));
}

}  // namespace
}  // namespace afina::model
