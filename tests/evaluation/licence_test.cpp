// SPDX-License-Identifier: Apache-2.0
#include "evaluation/licence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::evaluation {
namespace {

TEST(Licence, IsWhatTheUserSaysThenWhatTheModelCardSaysThenTheAgreementsTitle) {
  const TempFolder base;
  EXPECT_EQ(find_licence("", base.path()).id, "unknown");
  write_file_atomic(base.path() / "LICENSE.txt", "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version …");
  EXPECT_EQ(find_licence("", base.path()).id, "llama3.1");
  write_file_atomic(base.path() / "README.md", "---\nlanguage: es\nlicense: \"llama3.2\"\n---\n# Card\nlicense: mit\n");
  EXPECT_EQ(find_licence("", base.path()).id, "llama3.2");
  EXPECT_EQ(find_licence("Apache-2.0", base.path()).id, "apache-2.0");
}

TEST(Licence, OfAModelWithLlama3sVocabularyMustBeNamed) {
  const TempFolder base;
  write_file_atomic(base.path() / "config.json", R"({"vocab_size": 128256})");
  EXPECT_THROW(find_licence("", base.path()), ModelError);
  EXPECT_EQ(find_licence("llama3.1", base.path()).id, "llama3.1");
}

TEST(Licence, OfTheLlamaFamilyAsksForPrefixNoticeAndAgreement) {
  const LicenceDuties duties = duties_of({"llama3.1", ""});
  EXPECT_EQ(duties.name_prefix, "Llama");
  EXPECT_EQ(duties.words, "Built with Llama");
  EXPECT_THAT(duties.notice, testing::StartsWith("Llama 3.1 is licensed under the Llama 3.1 Community License"));
  EXPECT_TRUE(duties_of({"llama2", ""}).name_prefix.empty());
  EXPECT_TRUE(duties_of({"apache-2.0", ""}).agreement.empty());
  EXPECT_THROW(duties_of({"llama9", ""}), ModelError);
}

TEST(Licence, PrefixIsAppliedToADefaultNameAndAskedOfAGivenOne) {
  const LicenceDuties duties = duties_of({"llama3.1", ""});
  EXPECT_EQ(name_with_prefix("tramites", false, duties), "Llama-tramites");
  EXPECT_EQ(name_with_prefix("Llama-tramites", true, duties), "Llama-tramites");
  EXPECT_THROW(name_with_prefix("tramites", true, duties), UsageError);
  EXPECT_EQ(name_with_prefix("tramites", true, {}), "tramites");
}

}  // namespace
}  // namespace afina::evaluation
