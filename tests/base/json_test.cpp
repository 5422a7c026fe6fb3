// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace afina {
namespace {

TEST(Json, RefusesADepthBeyondTheLimitWithoutCrashing) {
  const std::string deep(1'000'000, '[');
  EXPECT_THROW(parse_json(deep, "body"), DataError);
  EXPECT_NO_THROW(parse_json("[[1]]", "body", {.max_depth = 3}));
  EXPECT_THROW(parse_json("[[[[1]]]]", "body", {.max_depth = 3}), DataError);
}

TEST(Json, RefusesADuplicateKey) {
  EXPECT_THROW(parse_json(R"({"a":1,"a":2})", "body"), DataError);
  EXPECT_NO_THROW(parse_json(R"({"a":{"a":1},"b":{"a":2}})", "body"));
}

TEST(Json, RefusesBrokenUtf8AndNamesThePlace) {
  try {
    parse_json("{\"a\":\"\xff\"}", "line 7");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("[line 7]", 0), 0U) << error.what();
  }
}

TEST(Json, AllowsCommentsOnlyWhereAsked) {
  EXPECT_THROW(parse_json("{} // x", "f"), DataError);
  EXPECT_EQ(parse_json("{\"a\": 1 // x\n}", "f", {.allow_comments = true})["a"], 1);
}

TEST(Json, WritesBrokenUtf8AsReplacementCharacters) {
  EXPECT_EQ(dump_json(Json{{"a", "x\xff"}}), "{\"a\":\"x\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace afina
