// SPDX-License-Identifier: Apache-2.0
// What a program may not do with somebody's token, and what the name that a program gives itself is worth.
#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class ProgramsTest : public MembersWorld {
 protected:
  void SetUp() override { start_as_web(); }
  static std::vector<std::string> every_scope() {
    return {"chat", "judge", "tasks", "review", "read", "data", "admin", "proxy"};
  }
  Json visit(const std::string& kind, const std::string& name) const {
    Json body = consent_fields();
    body["kind"] = kind;
    body["annotator"] = name;
    return body;
  }
};

TEST_F(ProgramsTest, ATokenCannotTakeBackWhatItsOwnerGave) {
  const Credentials ana = member(storage::Role::admin);
  ASSERT_EQ(post(ana, "/api/conversations").status, 201);
  for (const std::vector<std::string>& scopes : {std::vector<std::string>{"read"}, every_scope()}) {
    const Reply refused = post(token_of(ana, scopes), "/api/withdraw");
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.code(), "forbidden");
  }
  EXPECT_EQ(get(ana, "/api/me").json["consent"], true);
  EXPECT_EQ(get(ana, "/api/conversations").json["conversations"].size(), 1u);
  Credentials forged = ana;
  forged.headers.set("X-CSRF-Token", "");
  EXPECT_EQ(post(forged, "/api/withdraw").code(), "cross_site");
  EXPECT_EQ(post(ana, "/api/withdraw").status, 200) << "the control: its owner in a browser";
}

TEST_F(ProgramsTest, ATokenNeitherGivesNorChangesAConsent) {
  const Credentials ana = member(storage::Role::engineer);
  Json change = consent_fields();
  change.erase("adult");
  EXPECT_EQ(post(token_of(ana, every_scope()), "/api/consent", change).status, 403);
  EXPECT_EQ(get(ana, "/api/me").json["purposes"], (Json{"collect", "train", "review"}));
  EXPECT_EQ(post(ana, "/api/consent", change).status, 200) << "the control: its owner in a browser";
  EXPECT_EQ(get(ana, "/api/me").json["purposes"], (Json{"collect", "train"}));
  ASSERT_EQ(post(ana, "/api/withdraw").status, 200);
  const Reply refused = post(token_of(ana, every_scope()), "/api/visits", consent_fields());
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "forbidden");
  EXPECT_EQ(get(ana, "/api/me").json["consent"], false);
  EXPECT_EQ(post(ana, "/api/visits", consent_fields()).status, 201) << "the control";
}

TEST_F(ProgramsTest, TheNameOfAProgramTellsNothingOfAccountsAndTakesNone) {
  ASSERT_EQ(join(invite(member(storage::Role::admin)), "mariana").status, 201);
  for (const char* kind : {"api", "demo"}) {
    for (const char* name : {"mariana", "nadie", "pedro"})
      EXPECT_EQ(somebody().post("/api/visits", visit(kind, name)).status, 201) << kind << " " << name;
  }
  EXPECT_EQ(join(invite(member(storage::Role::admin)), "pedro").status, 201) << "a program went by that name";
  for (const char* name : {"api:pedro", "demo:pedro"})
    EXPECT_EQ(join(invite(member(storage::Role::admin)), name).code(), "bad_request") << name;
}

TEST_F(ProgramsTest, ProgramsOfOneNameShareNoSelfDescription) {
  const auto program = [&](const char* name) {
    Credentials who;
    const Reply reply = somebody().post("/api/visits", visit("api", name));
    who.headers.set("Authorization", cat("Bearer ", reply.json.at("session_token").get<std::string>()));
    return who;
  };
  const Json told{{"country", "CL"}, {"age_band", "35-44"}};
  const Credentials one = program("guion"), two = program("guion");
  const Reply refused = post(one, "/api/profile", told);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.code(), "bad_request");
  EXPECT_TRUE(get(two, "/api/profile").json["country"].is_null());
  const Credentials nameless = visitor_credentials();
  EXPECT_EQ(post(nameless, "/api/profile", told).status, 200) << "the control: known by one visit only";
  EXPECT_EQ(get(nameless, "/api/profile").json["country"], "CL");
}

}  // namespace
}  // namespace afina::collector
