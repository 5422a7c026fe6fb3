// SPDX-License-Identifier: Apache-2.0
#include "collector/wire.h"

#include <gtest/gtest.h>

#include "storage/occupied.h"

namespace afina::collector {
namespace {

http::Request with_body(const std::string& body) {
  http::Request request;
  request.body = body;
  return request;
}

int status_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const http::HttpError& error) {
    return error.status();
  } catch (const DataError&) {
    return 422;
  } catch (const NotFound&) {
    return 404;
  }
  return 200;
}

TEST(Verdict, TakesTheSevenGradesAndThreeWords) {
  for (int grade = -3; grade <= 3; ++grade) {
    const Verdict verdict = parse_verdict(grade);
    EXPECT_EQ(verdict.outcome, storage::Outcome::graded);
    EXPECT_EQ(verdict.left_grade, grade);
    EXPECT_EQ(verdict_json(verdict.outcome, verdict.left_grade), Json(grade));
  }
  for (const char* word : {"both_good", "both_bad", "cannot_judge"}) {
    const Verdict verdict = parse_verdict(word);
    EXPECT_EQ(verdict_json(verdict.outcome, verdict.left_grade), Json(word));
  }
}

TEST(Verdict, RefusesEverythingElse) {
  for (const Json& value : {Json(4), Json(-4), Json(1.0), Json("3"), Json("graded"), Json("retracted"), Json(nullptr),
                            Json(true), Json::array({1}), Json(UINT64_MAX), Json(INT64_MIN)}) {
    EXPECT_EQ(status_of([&] { parse_verdict(value); }), 400) << value.dump();
  }
}

TEST(Verdict, TurnsWithTheSides) {
  // "Left is better" on a screen with B on the left is a grade for B.
  EXPECT_EQ(flip_unless(true, 2), 2);
  EXPECT_EQ(flip_unless(false, 2), -2);
  EXPECT_EQ(flip_unless(false, flip_unless(false, -3)), -3);
}

struct BadBody {
  const char* text;
  int status;
};

class BadBodies : public testing::TestWithParam<BadBody> {};

TEST_P(BadBodies, AreRefused) {
  EXPECT_EQ(status_of([&] {
              const auto request = with_body(GetParam().text);
              const Body body(request, {"name", "count", "yes", "words"});
              body.text("name", 8);
              body.whole("count", 1, 2);
              body.truth("yes");
              body.words("words", 2);
            }),
            GetParam().status)
      << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadBodies,
    testing::Values(BadBody{R"({"name":"a","count":1,"yes":true,"words":["x"]})", 200}, BadBody{"", 422},
                    BadBody{"nonsense", 422}, BadBody{"[]", 400}, BadBody{"null", 400}, BadBody{"{}", 400},
                    BadBody{R"({"name":"a","name":"b"})", 422}, BadBody{R"({"name":"a","extra":1})", 400},
                    BadBody{R"({"name":1})", 400}, BadBody{R"({"name":"123456789"})", 400},
                    BadBody{"{\"name\":\"a\\u0000b\"}", 400}, BadBody{"{\"name\":\"\\ud800\"}", 422},
                    BadBody{R"({"name":"a","count":3})", 400}, BadBody{R"({"name":"a","count":1.5})", 400},
                    BadBody{R"({"name":"a","count":18446744073709551615})", 400},
                    BadBody{R"({"name":"a","count":1,"yes":1})", 400},
                    BadBody{R"({"name":"a","count":1,"yes":true,"words":["a","b","c"]})", 400},
                    BadBody{R"({"name":"a","count":1,"yes":true,"words":[1]})", 400},
                    BadBody{R"([[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]])", 422}));

TEST(IdempotencyKey, HasOneTo64PlainCharacters) {
  http::Request request;
  EXPECT_EQ(status_of([&] { idempotency_key(request); }), 400);
  for (const std::string& bad : {std::string(65, 'a'), std::string("a b"), std::string("ñ"), std::string("a\tb")}) {
    request.headers.set("Idempotency-Key", bad);
    EXPECT_EQ(status_of([&] { idempotency_key(request); }), 400) << bad;
  }
  request.headers.set("Idempotency-Key", std::string(64, 'a'));
  EXPECT_EQ(idempotency_key(request).size(), 64u);
}

TEST(Keys, OfABodyAreAThousandOnAllLevelsTogether) {
  const auto with_keys = [](int inner) {
    Json draft = Json::object();
    for (int i = 0; i < inner; ++i)
      draft[i % 2 == 0 ? "a" : "b"][std::to_string(i)] = i;
    return with_body(dump_json(Json{{"draft", draft}}));
  };
  const auto status = [&](int inner, size_t most) {
    return status_of([&] { Body(with_keys(inner), {"draft"}, most); });
  };
  // The draft and its two parts are three more.
  EXPECT_EQ(status(997, kMaxBodyKeys), 200);
  EXPECT_EQ(status(998, kMaxBodyKeys), 400);
  EXPECT_EQ(status(3'000, kMaxBodyKeys), 400);
  EXPECT_EQ(status(3'000, 100'000), 200) << "a file of many things at once";
  EXPECT_EQ(status_of([&] { Body(with_body(cat("{\"x\":\"", std::string(5'000, '1'), "\"}")), {"x"}); }), 200);
}

TEST(Ids, ThatAreNoIdsAreNobodysRows) {
  EXPECT_EQ(status_of([] { require_id("1 or 1=1"); }), 404);
  EXPECT_EQ(status_of([] { require_id(new_uuid()); }), 200);
}

TEST(Errors, LeaveWithACodeAndWithoutTheStoresWords) {
  const auto run = [](const std::function<void()>& fail) {
    const auto handler = with_codes([&](const http::Request&, http::Response&) { fail(); });
    http::Response response;
    try {
      handler(http::Request(), response);
    } catch (const http::HttpError& error) {
      return cat(error.status(), " ", error.code(), " ",
                 std::string(error.what()).find("secret_table") != std::string::npos);
    }
    return std::string("none");
  };
  EXPECT_EQ(run([] { throw NotFound("[x] must be."); }), "404 not_found 0");
  EXPECT_EQ(run([] { throw Conflict("[x] must be."); }), "409 key_reused 0");
  EXPECT_EQ(run([] { throw storage::Occupied("[x] must be."); }), "409 conflict 0") << "no key was used twice";
  EXPECT_EQ(run([] { throw storage::TurnTaken("[x] must be."); }), "409 busy 0");
  EXPECT_EQ(run([] { throw DataError("[x] must be."); }), "422 bad_request 0");
  EXPECT_EQ(run([] { throw StorageError("[secret_table] is gone."); }), "503 storage 0");
}

}  // namespace
}  // namespace afina::collector
