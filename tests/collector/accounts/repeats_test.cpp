// SPDX-License-Identifier: Apache-2.0
// A write whose reply was lost and is sent again under the same Idempotency-Key: one row, and the same secret as the
// first time, although nobody keeps it.
#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class RepeatsTest : public MembersWorld {
 protected:
  void SetUp() override {
    CollectorConfig config;
    config.webhook_allow_private = true;
    start_as_web(config);
    admin_ = member(storage::Role::admin);
  }
  int64_t count(const std::string& what) {
    return as_owner(
        [&](storage::Transaction& t) { return t.exec(cat("SELECT count(*) AS n FROM ", what)).one().integer("n"); });
  }
  Reply joining(const std::string& token, const std::string& name, const std::string& passphrase,
                const std::string& key) const {
    Json body = consent_fields();
    body["token"] = token;
    body["name"] = name;
    body["password"] = passphrase;
    return somebody().post("/api/join", body, key);
  }

  Credentials admin_;
};

TEST_F(RepeatsTest, AnInvitationATokenAndAWebhookAreMadeOnce) {
  const std::vector<std::tuple<std::string, std::string, std::string, Json, Json>> writes = {
      {"invite", "/api/invitations", "token", {{"role", "annotator"}}, {{"role", "reviewer"}}},
      {"api_token",
       "/api/tokens",
       "token",
       {{"name", "k"}, {"scopes", {"read"}}, {"days", 1}},
       {{"name", "k"}, {"scopes", {"data"}}, {"days", 1}}},
      {"webhook",
       "/api/webhooks",
       "secret",
       {{"url", fake_.url()}, {"types", {"webhook.test"}}},
       {{"url", fake_.url()}, {"types", {"*"}}}}};
  for (const auto& [table, path, secret, body, other] : writes) {
    const std::string key = new_uuid();
    const int64_t rows = count(table), noted = count("audit_event");
    const Reply first = call(admin_, "POST", path, body, key), again = call(admin_, "POST", path, body, key);
    EXPECT_EQ(first.status, 201) << path << first.json;
    EXPECT_EQ(again.status, 200) << path << again.json;
    EXPECT_EQ(again.json, first.json) << "the secret too";
    EXPECT_EQ(count(table), rows + 1) << path;
    EXPECT_EQ(count("audit_event"), noted + 1) << path;
    EXPECT_EQ(call(admin_, "POST", path, other, key).code(), "key_reused") << path;
    const Reply next = call(admin_, "POST", path, body, new_uuid());
    EXPECT_EQ(next.status, 201) << path;
    EXPECT_NE(next.json.at(secret), first.json.at(secret)) << "another key, another secret";
    const Reply somebody_else = call(member(storage::Role::admin), "POST", path, body, key);
    EXPECT_EQ(somebody_else.status, 201) << path;
    EXPECT_NE(somebody_else.json.at(secret), first.json.at(secret)) << "a key is its caller's";
    EXPECT_NE(call(admin_, "POST", path, body, "").json.at(secret),
              call(admin_, "POST", path, body, "").json.at(secret))
        << "without a key each is its own";
    EXPECT_EQ(call(admin_, "POST", path, body, std::string(65, 'k')).status, 400) << path;
  }
}

TEST_F(RepeatsTest, ATokenThatWasToldTwiceOpens) {
  const std::string key = new_uuid();
  const Json body{{"name", "k"}, {"scopes", {"read"}}, {"days", 1}};
  call(admin_, "POST", "/api/tokens", body, key);
  Credentials program;
  program.headers.set(
      "Authorization",
      cat("Bearer ", call(admin_, "POST", "/api/tokens", body, key).json.at("token").get<std::string>()));
  EXPECT_EQ(get(program, "/api/me").json["who"], "admin");
}

TEST_F(RepeatsTest, JoiningTwiceIsJoiningOnceAndTheReceiptIsToldAgain) {
  const std::string token = invite(admin_), key = new_uuid();
  const Reply first = joining(token, "ana", kPassphrase, key);
  ASSERT_EQ(first.status, 201) << first.json;
  const int64_t accounts = count("account"), visitors = count("visitor");
  const Reply again = joining(token, "ana", kPassphrase, key);
  EXPECT_EQ(again.status, 200) << again.json;
  EXPECT_EQ(again.json["receipt_code"], first.json["receipt_code"]);
  EXPECT_EQ(get(signed_in(again), "/api/me").json["account"]["name"], "ana");
  EXPECT_EQ(count("account"), accounts);
  EXPECT_EQ(count("visitor"), visitors);
  EXPECT_EQ(joining(token, "ana", "otra frase de paso", key).code(), "key_reused");
  EXPECT_EQ(joining(token, "ana", kPassphrase, new_uuid()).code(), "invitation_invalid") << "another act";
  EXPECT_EQ(joining(std::string(64, '0'), "ana", kPassphrase, key).code(), "invitation_invalid") << "a stranger's";
  EXPECT_EQ(somebody().post("/api/withdraw", {{"receipt_code", again.json["receipt_code"]}}).status, 200);
}

TEST_F(RepeatsTest, AnAccountsConsentIsGivenOnceAndTheReceiptIsToldAgain) {
  const Credentials ana = member(storage::Role::annotator);
  ASSERT_EQ(post(ana, "/api/withdraw").status, 200);
  const std::string key = new_uuid();
  const Reply first = call(ana, "POST", "/api/visits", consent_fields(), key);
  ASSERT_EQ(first.status, 201) << first.json;
  const int64_t visitors = count("visitor");
  const Reply again = call(ana, "POST", "/api/visits", consent_fields(), key);
  EXPECT_EQ(again.status, 200) << again.json;
  EXPECT_EQ(again.json, first.json);
  EXPECT_EQ(count("visitor"), visitors);
  EXPECT_EQ(call(ana, "POST", "/api/visits", consent_fields(), new_uuid()).status, 400) << "there is one";
}

}  // namespace
}  // namespace afina::collector
