// SPDX-License-Identifier: Apache-2.0
// Self-descriptions and webhooks through the API: who may, what is refused, what a withdrawal reaches.
#include <gtest/gtest.h>

#include "tests/collector/proxy/token_client.h"

namespace afina::collector {
namespace {

struct Rights : TokenWorld {};

TEST_F(Rights, ProfilesAreOptionalTheirOwnersAndClearedByAnEmptyObject) {
  start({"good"});
  const Caller one = visitor(), other = visitor();
  EXPECT_TRUE(one.get("/api/profile").json["country"].is_null());
  const Json told{{"country", "PY"}, {"languages", {"gn", "es-PY"}}, {"dialect", "jopara ñ"}, {"age_band", "25-34"}};
  const Reply kept = one.post("/api/profile", told);
  ASSERT_EQ(kept.status, 200) << kept.json.dump();
  EXPECT_EQ(one.get("/api/profile").json["dialect"], "jopara ñ");
  EXPECT_TRUE(other.get("/api/profile").json["country"].is_null());
  EXPECT_EQ(count("audit_event WHERE row LIKE '%profile.set%'"), 1);
  EXPECT_EQ(count("audit_event WHERE row LIKE '%jopara%'"), 0) << "the trail says that, not what";
  EXPECT_EQ(one.post("/api/profile").status, 200);
  EXPECT_EQ(count("annotator_profile"), 0);
  EXPECT_EQ(somebody().get("/api/profile").status, 401);
}

TEST_F(Rights, BadProfilesChangeNothing) {
  start({"good"});
  const Caller one = visitor();
  for (const Json& bad : {Json{{"country", "Paraguay"}}, Json{{"languages", {"español"}}}, Json{{"languages", "gn"}},
                          Json{{"age_band", "30"}}, Json{{"dialect", std::string(65, 'x')}}, Json{{"gender", "x"}},
                          Json{{"country", 5}}, Json::array()}) {
    EXPECT_EQ(one.post("/api/profile", bad).status, 400) << bad.dump();
  }
  EXPECT_EQ(count("annotator_profile"), 0);
}

TEST_F(Rights, WithdrawalReachesTheProfileAtOnce) {
  start({"good"});
  const Caller one = visitor();
  one.post("/api/profile", {{"country", "CL"}});
  ASSERT_EQ(one.post("/api/withdraw", {{"receipt_code", one.receipt}}).status, 200);
  EXPECT_EQ(count("annotator_profile"), 0);
}

TEST_F(Rights, WebhooksAreForAdminsAndLeadToPublicAddressesOnly) {
  start({"good"});
  const Program admin = program(storage::Role::admin, {"admin"});
  const Json good{{"url", "https://93.184.215.14/hook"}, {"types", {"preference.created"}}};
  const Reply made = admin.post("/api/webhooks", good);
  ASSERT_EQ(made.status, 201) << made.json.dump();
  EXPECT_TRUE(made.json["secret"].get<std::string>().starts_with("whsec_"));
  const Reply all = admin.get("/api/webhooks");
  ASSERT_EQ(all.json["webhooks"].size(), 1U);
  EXPECT_FALSE(all.json["webhooks"][0].contains("secret")) << "told once";
  EXPECT_EQ(program(storage::Role::engineer, {"admin"}).post("/api/webhooks", good).status, 403);
  EXPECT_EQ(program(storage::Role::admin, {"data"}).post("/api/webhooks", good).status, 403);
  const Program auditor = program(storage::Role::auditor, {"admin"});
  EXPECT_EQ(auditor.get("/api/webhooks").status, 200);
  EXPECT_EQ(auditor.post("/api/webhooks", good).status, 403);
  for (const std::string url : {"https://127.0.0.1/x", "https://10.0.0.1/", "https://169.254.169.254/latest",
                                "ftp://x.org/", "https://user@93.184.215.14/", "https://[::1]/", "javascript:alert(1)",
                                "https://0x7f.1/", "http://93.184.215.14/hook"}) {
    EXPECT_EQ(admin.post("/api/webhooks", {{"url", url}, {"types", {"*"}}}).status, 400) << url;
  }
  EXPECT_EQ(admin.post("/api/webhooks", {{"url", "https://93.184.215.14/"}, {"types", Json::array()}}).status, 400);
  EXPECT_EQ(admin.post("/api/webhooks", {{"url", "https://93.184.215.14/"}, {"types", {"x"}}}).status, 400);
  EXPECT_EQ(count("webhook"), 1);
}

TEST_F(Rights, WebhooksOfAnotherWorkspaceAreNotFound) {
  start({"good"});
  const std::string elsewhere = new_uuid();
  database_->transaction([&](storage::Transaction& t) {
    t.exec("INSERT INTO workspace (id, name) VALUES ($1::uuid, 'otra')", storage::Params().text(elsewhere));
  });
  const Program admin = program(storage::Role::admin, {"admin"});
  const Program other = program(storage::Role::admin, {"admin"}, true, elsewhere);
  const std::string id =
      admin.post("/api/webhooks", {{"url", "https://93.184.215.14/"}, {"types", {"webhook.test"}}}).json["id"];
  EXPECT_TRUE(other.get("/api/webhooks").json["webhooks"].empty());
  EXPECT_EQ(other.get("/api/webhooks/" + id + "/deliveries").status, 404);
  EXPECT_EQ(other.post("/api/webhooks/" + id + "/disable", Json::object()).status, 404);
  EXPECT_EQ(other.post("/api/webhooks/" + id + "/test", Json::object()).status, 404);
  EXPECT_EQ(admin.post("/api/webhooks/" + id + "/disable", Json::object()).status, 200);
  EXPECT_EQ(admin.post("/api/webhooks/" + id + "/test", Json::object()).status, 409);
  EXPECT_EQ(other.post("/api/webhooks/" + id + "/enable", Json::object()).status, 404);
  EXPECT_EQ(admin.post("/api/webhooks/" + id + "/enable", Json::object()).status, 200);
  EXPECT_EQ(admin.post("/api/webhooks/" + id + "/enable", Json::object()).status, 200) << "again: nothing happens";
  EXPECT_EQ(admin.get("/api/webhooks").json["webhooks"][0]["state"], "active");
  EXPECT_EQ(admin.post("/api/webhooks/" + id + "/test", Json::object()).status, 202);
}

}  // namespace
}  // namespace afina::collector
