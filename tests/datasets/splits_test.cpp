// SPDX-License-Identifier: Apache-2.0
#include "datasets/splits.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace afina::datasets {
namespace {

TEST(Splits, PromptsThatDifferInSpaceOrCaseAreOnePrompt) {
  EXPECT_EQ(normalise_prompt("  ¿Qué  es\tuna\r\nLEY? "), "¿qué es una ley?");
  EXPECT_EQ(normalise_prompt("a\xC2\xA0\xE3\x80\x80 b\xE2\x80\x89"), "a b");
  EXPECT_EQ(normalise_prompt(""), "");
  EXPECT_EQ(normalise_prompt(" \n"), "");
  EXPECT_EQ(normalise_prompt("niñÑ"), "niñÑ") << "letters beyond ASCII are kept as written";
  EXPECT_EQ(prompt_hash("Hola  mundo"), prompt_hash("hola mundo\n"));
  EXPECT_NE(prompt_hash("hola"), prompt_hash("holas"));
}

TEST(Splits, AreAFunctionOfSeedAndPromptAlone) {
  const SplitOptions options{7, 0.25, 0.25};
  int held_out = 0, moved = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string prompt = "prompt " + std::to_string(i);
    const bool held = prompt_is_held_out(prompt, options);
    EXPECT_EQ(held, prompt_is_held_out("  PROMPT \n" + std::to_string(i), options));
    held_out += held ? 1 : 0;
    moved += held != prompt_is_held_out(prompt, {8, 0.25, 0.25}) ? 1 : 0;
    if (held) {
      EXPECT_TRUE(prompt_is_held_out(prompt, {7, 0.5, 0}));
    }
  }
  EXPECT_NEAR(held_out, 1000, 100);
  EXPECT_NEAR(moved, 1500, 150) << "another seed is another split";
}

TEST(Splits, TrainSharesNeitherPromptNorAnnotatorWithEval) {
  const SplitOptions options{1, 0.3, 0.3};
  int counts[4] = {};
  for (int p = 0; p < 40; ++p) {
    for (int a = 0; a < 40; ++a) {
      const std::string prompt = std::to_string(p), annotator = std::to_string(a);
      const Split split = split_of(prompt, annotator, options);
      ++counts[static_cast<int>(split)];
      EXPECT_EQ(split == Split::train,
                !prompt_is_held_out(prompt, options) && !annotator_is_held_out(annotator, options));
      EXPECT_EQ(split == Split::eval, prompt_is_held_out(prompt, options) && annotator_is_held_out(annotator, options));
    }
  }
  for (const int count : counts)
    EXPECT_GT(count, 0);
}

TEST(Splits, WithoutHeldOutAnnotatorsTheHeldOutPromptsAreEval) {
  for (int p = 0; p < 100; ++p) {
    const Split split = split_of(std::to_string(p), "ana", {1, 0.3, 0.0});
    EXPECT_TRUE(split == Split::train || split == Split::eval);
  }
  EXPECT_EQ(split_of("x", "ana", {1, 0.0, 0.0}), Split::train);
  EXPECT_EQ(split_of("x", "ana", {1, 1.0, 0.0}), Split::eval);
}

TEST(Splits, RefusesSharesOutsideZeroToOne) {
  EXPECT_THROW(split_of("x", "a", {1, -0.1, 0}), UsageError);
  EXPECT_THROW(split_of("x", "a", {1, 0, 1.5}), UsageError);
}

TEST(Splits, WordsGoThereAndBack) {
  for (const Split split : {Split::train, Split::eval, Split::eval_prompt, Split::eval_annotator}) {
    Split back = Split::train;
    EXPECT_TRUE(from_string(to_string(split), back));
    EXPECT_EQ(back, split);
  }
  Split ignored = Split::train;
  EXPECT_FALSE(from_string("test", ignored));
}

}  // namespace
}  // namespace afina::datasets
