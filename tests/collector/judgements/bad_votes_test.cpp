// SPDX-License-Identifier: Apache-2.0
// Votes that are wrong in every way a client can be: each with its status, and the database as it was.
#include <atomic>
#include <thread>

#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

class BadVotes : public World {
 protected:
  void SetUp() override {
    start({"good", "other"}, {}, random_u32);
    ana_ = std::make_unique<Caller>(somebody());
    token_ = ana_->visit().json["session_token"];
    exposure_ = ana_->ask().event("done")["exposure"];
  }
  /// Everything a judgement could change, as one text.
  std::string state() {
    return database_->read([](storage::Transaction& t) {
      return t
          .exec(
              "SELECT (SELECT count(*) FROM preference) || ' ' || (SELECT count(*) FROM rewrite) || ' ' || "
              "(SELECT count(*) FROM aspect_rating) || ' ' || (SELECT count(*) FROM answer_flag) || ' ' || "
              "(SELECT count(*) FROM span_note) || ' ' || (SELECT count(*) FROM reason_language) || ' ' || "
              "(SELECT count(*) FROM answer_note) || ' ' || "
              "(SELECT count(*) FROM exposure WHERE revealed_at IS NOT NULL) AS state")
          .one()
          .text("state");
    });
  }
  Json vote(const char* pointer, const Json& value) const {
    Json json{{"exposure", exposure_}, {"outcome", 1}};
    json[Json::json_pointer(pointer)] = value;
    return json;
  }
  /// Ana posts bytes that need not be JSON.
  Reply post_bytes(const std::string& bytes) const {
    http::ClientOptions options;
    options.base_url = collector_->address();
    options.max_retries = 0;
    http::Headers headers;
    headers.set("Authorization", "Bearer " + token_);
    headers.set("Idempotency-Key", new_uuid());
    const auto response = http::Client(options).request("POST", "/api/votes", bytes, headers);
    return {response.status, Json::parse(response.body, nullptr, false), response.headers, {}};
  }
  std::unique_ptr<Caller> ana_;
  std::string token_;
  std::string exposure_;
};

TEST_F(BadVotes, WrongFieldsAreRefusedByNameAndChangeNothing) {
  const Json rating{{"side", "a"}, {"aspect", "helpful"}, {"value", 3}};
  const Json span{{"side", "a"}, {"start", 0}, {"end", 1}, {"kind", "good"}};
  const auto with = [](Json json, const char* name, const Json& value) {
    json[name] = value;
    return json;
  };
  const auto list = [](const Json& entry) { return Json::array({entry}); };
  struct Case {
    const char* name;
    Json body;
    int status = 400;
  };
  const Case cases[] = {
      {"a list as body", Json::array({1})},
      {"a word as body", "vote"},
      {"no body", nullptr, 422},
      {"nothing", Json::object()},
      {"no outcome", {{"exposure", exposure_}}},
      {"no exposure", {{"outcome", 1}}, 400},
      {"an unknown field", vote("/extra", 1)},
      {"an outcome of 4", vote("/outcome", 4)},
      {"an outcome of -4", vote("/outcome", -4)},
      {"an outcome of a half", vote("/outcome", 0.5)},
      {"an outcome of 2^63", vote("/outcome", 9223372036854775808ULL)},
      {"an outcome as text", vote("/outcome", "1")},
      {"an outcome that only the store knows", vote("/outcome", "retracted")},
      {"an outcome of true", vote("/outcome", true)},
      {"a list as outcome", vote("/outcome", Json::array())},
      {"an exposure that is a number", vote("/exposure", 7)},
      {"an exposure that is no id", vote("/exposure", "1 OR 1=1"), 404},
      {"an exposure that does not exist", vote("/exposure", new_uuid()), 404},
      {"a confidence of 0", vote("/confidence", 0)},
      {"a confidence of 5", vote("/confidence", 5)},
      {"a confidence of 1e300", vote("/confidence", 1e300)},
      {"a negative time", vote("/ms_to_decide", -1)},
      {"a time of years", vote("/ms_to_decide", 1LL << 60)},
      {"a reason that is a list", vote("/reason", Json::array({"a"}))},
      {"a reason of 4001 bytes", vote("/reason", std::string(4001, 'x'))},
      {"a NUL in the reason", vote("/reason", std::string("a\0b", 3))},
      {"a rewrite of 32 KiB and one byte", vote("/rewrite", std::string(32 * 1024 + 1, 'x'))},
      {"a NUL in the rewrite", vote("/rewrite", std::string("a\0b", 3))},
      {"a rewrite that is a number", vote("/rewrite", 3)},
      {"a correction of what is no id", vote("/supersedes", "x"), 404},
      {"a correction of nothing", vote("/supersedes", new_uuid()), 409},
      {"a language in words", vote("/reason_language", "castellano rioplatense")},
      {"a language of 36 bytes", vote("/reason_language", std::string(36, 'a'))},
      {"aspects that are an object", vote("/aspects", rating)},
      {"an aspect that is a word", vote("/aspects", list("helpful"))},
      {"an unknown aspect", vote("/aspects", list(with(rating, "aspect", "beauty")))},
      {"a rating of 0", vote("/aspects", list(with(rating, "value", 0)))},
      {"a rating of 6", vote("/aspects", list(with(rating, "value", 6)))},
      {"a rating as text", vote("/aspects", list(with(rating, "value", "5")))},
      {"a rating without a value", vote("/aspects", list({{"side", "a"}, {"aspect", "helpful"}}))},
      {"a side that was not shown", vote("/aspects", list(with(rating, "side", "c")))},
      {"the side of a single answer", vote("/aspects", list(with(rating, "side", "only")))},
      {"an aspect rated twice", vote("/aspects", {rating, rating})},
      {"an unknown field of an aspect", vote("/aspects", list(with(rating, "more", 1)))},
      {"183 ratings", vote("/aspects", Json(std::vector<Json>(183, rating)))},
      {"an unknown flag", vote("/flags", list({{"side", "a"}, {"kind", "ugly"}}))},
      {"a flag's note of 1001 bytes",
       vote("/flags", list({{"side", "a"}, {"kind", "toxic"}, {"note", std::string(1001, 'x')}}))},
      {"an empty span", vote("/spans", list(with(span, "end", 0)))},
      {"a span backwards", vote("/spans", list(with(span, "start", 2)))},
      {"a span before the beginning", vote("/spans", list(with(span, "start", -1)))},
      {"a span of halves", vote("/spans", list(with(span, "end", 1.5)))},
      {"an unknown kind of span", vote("/spans", list(with(span, "kind", "nice")))},
      {"a span beyond the answer", vote("/spans", list(with(span, "end", 99'999))), 422},
      {"101 spans", vote("/spans", Json(std::vector<Json>(101, span)))},
  };
  const std::string before = state();
  for (const Case& bad : cases) {
    const Reply reply = ana_->post("/api/votes", bad.body);
    EXPECT_EQ(reply.status, bad.status) << bad.name << ": " << reply.json.dump();
    EXPECT_FALSE(reply.code().empty()) << bad.name;
    EXPECT_EQ(state(), before) << bad.name;
  }
}

TEST_F(BadVotes, WrongBytesAreRefusedAndChangeNothing) {
  const std::string whole = cat("{\"exposure\":\"", exposure_, "\",\"outcome\":1");
  std::string deep = whole + ",\"reason\":";
  for (int i = 0; i < 17; ++i)
    deep += "[";
  for (int i = 0; i < 17; ++i)
    deep += "]";
  struct Case {
    const char* name;
    std::string bytes;
    int status;
  };
  const Case cases[] = {
      {"no JSON", "outcome=1", 422},
      {"half a body", whole, 422},
      {"two values", whole + "}{}", 422},
      {"seventeen levels", deep + "}", 422},
      {"a key twice", whole + ",\"outcome\":2}", 422},
      {"an exposure twice", whole + cat(",\"exposure\":\"", new_uuid(), "\"}"), 422},
      {"an escaped NUL", whole + ",\"reason\":\"a\\u0000b\"}", 400},
      {"a raw NUL", whole + ",\"reason\":\"a" + std::string(1, '\0') + "b\"}", 422},
      {"a lone high surrogate", whole + ",\"reason\":\"\\ud800\"}", 422},
      {"a lone low surrogate", whole + ",\"reason\":\"\\udc00 x\"}", 422},
      {"bytes that are no UTF-8", whole + ",\"reason\":\"\xff\xfe\"}", 422},
      {"an overlong slash", whole + ",\"reason\":\"\xc0\xaf\"}", 422},
      {"65 KiB", whole + ",\"reason\":\"" + std::string(65 * 1024, 'x') + "\"}", 413},
      {"not a number", whole + ",\"confidence\":NaN}", 422},
      {"a number beyond all", whole + ",\"confidence\":1e999}", 422},
  };
  const std::string before = state();
  for (const Case& bad : cases) {
    const Reply reply = post_bytes(bad.bytes);
    EXPECT_EQ(reply.status, bad.status) << bad.name << ": " << reply.json.dump();
    EXPECT_EQ(state(), before) << bad.name;
  }
}

TEST_F(BadVotes, LettersOfEveryKindSurviveInReasonAndRewrite) {
  const std::string words =
      "ñ ŋ é e\u0301 عربي 👩‍👩‍👧 \u202Eabc <script>alert(1)</script> ' OR 1=1 --";
  Json good = vote("/reason", words);
  good["rewrite"] = words;
  ASSERT_EQ(ana_->post("/api/votes", good).status, 201);
  const Json turn = ana_->get("/api/conversations/" + ana_->conversation).json["turns"][0];
  EXPECT_EQ(turn["vote"]["reason"], words);
  EXPECT_EQ(turn["vote"]["details"]["rewrite"], words);
}

TEST_F(BadVotes, LimitsThemselvesAreInside) {
  Json good = vote("/reason", std::string(4000, 'x'));
  good["rewrite"] = std::string(32 * 1024, 'y');
  good["confidence"] = 4;
  good["ms_to_decide"] = 24 * 3600 * 1000;
  EXPECT_EQ(ana_->post("/api/votes", good).status, 201);
}

TEST_F(BadVotes, KeysAreNeededAndBelongToOneBody) {
  const std::string before = state();
  EXPECT_EQ(ana_->post("/api/votes", vote("/outcome", 1), "").status, 400);
  for (const std::string& key : {std::string(65, 'k'), std::string("a b"), std::string("ñ")}) {
    EXPECT_EQ(ana_->post("/api/votes", vote("/outcome", 1), key).status, 400) << key;
  }
  EXPECT_EQ(state(), before);
  const std::string longest(64, 'k');
  EXPECT_EQ(ana_->post("/api/votes", vote("/outcome", 1), longest).status, 201);
  const Reply other = ana_->post("/api/votes", vote("/outcome", 2), longest);
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(other.code(), "key_reused");
  const Reply again = ana_->post("/api/votes", vote("/outcome", 1), longest);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(ana_->post("/api/votes", vote("/outcome", 1)).code(), "already_voted");
}

TEST_F(BadVotes, AnothersPairIsNotFoundWhateverIsAskedOfIt) {
  Caller luis = visitor();
  const std::string before = state();
  EXPECT_EQ(luis.post("/api/votes", vote("/outcome", 1)).status, 404);
  EXPECT_EQ(luis.post("/api/pairs/" + exposure_ + "/reveal").status, 404);
  EXPECT_EQ(state(), before);
  const std::string id = ana_->post("/api/votes", vote("/outcome", 1)).json["id"];
  EXPECT_EQ(luis.post("/api/votes/" + id + "/undo").status, 404);
  EXPECT_EQ(somebody().post("/api/votes", vote("/outcome", 1)).status, 401);
}

TEST_F(BadVotes, ASessionThatEndsEndsForVotesToo) {
  // The first vote is remembered as Ana's; the second is asked of the tables in the act itself.
  ASSERT_EQ(ana_->post("/api/votes", vote("/outcome", 1)).status, 201);
  const std::string next = ana_->ask().event("done")["exposure"];
  const Json second{{"exposure", next}, {"outcome", 1}};
  Caller same = *ana_;
  ASSERT_EQ(ana_->post("/api/session/end").status, 200);
  const std::string before = state();
  const Reply late = same.post("/api/votes", second);
  EXPECT_EQ(late.status, 401);
  EXPECT_EQ(late.code(), "consent_required");
  EXPECT_EQ(state(), before);
}

TEST_F(BadVotes, AThousandPostsOfOneKeyAtATimeAreOneRow) {
  constexpr int kPosts = 1000, kThreads = 16;
  const std::string key = new_uuid();
  std::atomic<int> next = 0, created = 0, repeated = 0, other = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        while (next++ < kPosts) {
          const Reply reply = ana_->post("/api/votes", vote("/outcome", 3), key);
          ++(reply.status == 201 ? created : reply.status == 200 ? repeated : other);
        }
      });
    }
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(repeated, kPosts - 1);
  EXPECT_EQ(other, 0);
  EXPECT_EQ(state().substr(0, 2), "1 ");
}

}  // namespace
}  // namespace afina::collector
