// SPDX-License-Identifier: Apache-2.0
// Who may do what, and requests that must be refused without a trace.
#include "storage/conversations.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

using AccessTest = World;

const std::vector<std::pair<std::string, std::string>>& person_routes() {
  static const std::string id = "01900000-0000-7000-8000-000000000000";
  static const std::vector<std::pair<std::string, std::string>> kRoutes{
      {"GET", "/api/conversations"},
      {"POST", "/api/conversations"},
      {"GET", "/api/conversations/" + id},
      {"POST", "/api/conversations/" + id + "/messages"},
      {"POST", "/api/conversations/" + id + "/turns/" + id + "/retry"},
      {"GET", "/api/conversations/" + id + "/turns/" + id + "/stream"},
      {"POST", "/api/votes"},
      {"POST", "/api/votes/" + id + "/undo"},
      {"POST", "/api/pairs/" + id + "/reveal"},
      {"POST", "/api/pairs/next"},
      {"POST", "/api/consent"},
      {"POST", "/api/session/end"},
      {"GET", "/api/export"}};
  return kRoutes;
}

TEST_F(AccessTest, EveryRouteOfAPersonNeedsAConsent) {
  start({"good"});
  const Caller nobody = somebody();
  for (const auto& [method, path] : person_routes()) {
    const Reply reply = nobody.call(method, path, method == "POST" ? Json::object() : Json(), new_uuid());
    EXPECT_EQ(reply.status, 401) << method << " " << path;
    EXPECT_EQ(reply.code(), "consent_required") << method << " " << path;
  }
}

TEST_F(AccessTest, SomebodyElsesThingsAreNotFound) {
  start({"good", "other"});
  Caller ana = visitor(), eva = visitor();
  const Json turn = ana.ask().event("done");
  const std::string exposure = turn["exposure"], vote = new_uuid(), chat = "/api/conversations/" + ana.conversation;
  EXPECT_EQ(eva.post("/api/votes", {{"exposure", exposure}, {"outcome", 1}}).status, 404);
  ASSERT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", 1}}, vote).status, 201);
  EXPECT_EQ(eva.post(cat("/api/votes/", vote, "/undo")).status, 404);
  EXPECT_EQ(eva.post(cat("/api/pairs/", exposure, "/reveal")).status, 404);
  EXPECT_EQ(eva.get(chat).status, 404);
  EXPECT_EQ(eva.post(chat + "/messages", {{"text", "hola"}}).status, 404);
  EXPECT_EQ(eva.get(cat(chat, "/turns/", turn["id"].get<std::string>(), "/stream")).status, 404);
  EXPECT_EQ(eva.post(cat(chat, "/turns/", turn["id"].get<std::string>(), "/retry")).status, 404);
  for (const char* id : {"1", "..", "01900000-0000-7000-8000-000000000000", "x' or '1'='1"}) {
    EXPECT_EQ(eva.post("/api/votes", {{"exposure", id}, {"outcome", 1}}).status == 404 || std::string(id).size() > 36,
              true)
        << id;
  }
  EXPECT_TRUE(eva.get("/api/conversations").json["conversations"].empty());
}

struct BadRequest {
  const char* what;
  Json body;
  int status;
};

TEST_F(AccessTest, VotesThatAreNoVotesAreRefusedAndLeaveNothing) {
  start({"good", "other"});
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"];
  const std::vector<BadRequest> table{
      {"grade too large", {{"exposure", exposure}, {"outcome", 4}}, 400},
      {"no outcome", {{"exposure", exposure}}, 400},
      {"retraction as a vote", {{"exposure", exposure}, {"outcome", "retracted"}}, 400},
      {"unknown field", {{"exposure", exposure}, {"outcome", 1}, {"weight", 100}}, 400},
      {"another's annotator", {{"exposure", exposure}, {"outcome", 1}, {"annotator", "x"}}, 400},
      {"confidence out of range", {{"exposure", exposure}, {"outcome", 1}, {"confidence", 5}}, 400},
      {"negative time", {{"exposure", exposure}, {"outcome", 1}, {"ms_to_decide", -1}}, 400},
      {"long reason", {{"exposure", exposure}, {"outcome", 1}, {"reason", std::string(4001, 'a')}}, 400},
      {"a list", Json::array({1}), 400},
      {"correction of nothing", {{"exposure", exposure}, {"outcome", 1}, {"supersedes", new_uuid()}}, 409}};
  for (const BadRequest& bad : table)
    EXPECT_EQ(ana.post("/api/votes", bad.body).status, bad.status) << bad.what;
  EXPECT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", 1}}, "").status, 400) << "no key";
  EXPECT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", 1}}, std::string(65, 'k')).status, 400);
  const auto view =
      database_->read([&](storage::Transaction& t) { return storage::load_conversation(t, ana.conversation); });
  EXPECT_TRUE(view.preferences.empty());
}

TEST_F(AccessTest, MessagesHaveALimitJustAboveWhatIsAllowed) {
  start({"good"});
  Caller ana = visitor();
  std::string longest;
  for (int i = 0; i < 8000; ++i)
    longest += "ñ";
  EXPECT_EQ(ana.ask(longest, 1).status, 200);
  EXPECT_EQ(ana.ask(longest + "ñ", 1).code(), "too_long");
  EXPECT_EQ(ana.ask(" \n ", 1).code(), "empty");
  EXPECT_EQ(ana.ask(std::string(100'000, 'a'), 1).status, 413);
}

TEST_F(AccessTest, PagesOfOtherSitesCannotWrite) {
  start({"good"});
  Caller ana = visitor();
  http::Headers foreign;
  foreign.set("Origin", "https://evil.example");
  EXPECT_EQ(ana.call("POST", "/api/conversations", Json::object(), new_uuid(), foreign).status, 403);
  EXPECT_EQ(ana.call("POST", "/api/conversations", Json::object(), new_uuid(), foreign).code(), "cross_site");
  http::Headers site;
  site.set("Sec-Fetch-Site", "cross-site");
  EXPECT_EQ(ana.call("POST", "/api/conversations", Json::object(), new_uuid(), site).status, 403);
  http::Headers form;
  form.set("Content-Type", "text/plain");
  EXPECT_EQ(ana.call("POST", "/api/conversations", Json::object(), new_uuid(), form).status, 415);
  EXPECT_TRUE(ana.get("/api/conversations").json["conversations"].empty());
}

TEST_F(AccessTest, APersonsSessionIsACookieThatScriptsCannotRead) {
  start({"good"});
  Caller ana = somebody();
  const Reply visit = ana.visit("person");
  ASSERT_EQ(visit.status, 201);
  const std::string cookie = visit.headers.get("Set-Cookie");
  for (const char* part : {"HttpOnly", "SameSite=Strict", "Path=/"})
    EXPECT_NE(cookie.find(part), std::string::npos) << cookie;
  EXPECT_FALSE(visit.json.contains("session_token"));
  EXPECT_EQ(visit.json["receipt_code"].get<std::string>().substr(0, 6), "AFINA-");
  EXPECT_EQ(ana.get("/api/session").json["active"], true);
  EXPECT_EQ(ana.ask("hola", 1).status, 200);
  EXPECT_EQ(ana.post("/api/session/end").status, 200);
  EXPECT_EQ(ana.get("/api/session").json["active"], false);
}

TEST_F(AccessTest, BehindAProxyTheCookieIsSecureAndHostOnly) {
  CollectorConfig config;
  config.public_hosts = {"afina.example.org"};
  start({"good"}, config);
  Caller ana = somebody();
  const std::string cookie = ana.visit("person").headers.get("Set-Cookie");
  EXPECT_EQ(cookie.rfind("__Host-afina=", 0), 0u) << cookie;
  EXPECT_NE(cookie.find("; Secure"), std::string::npos);
}

TEST_F(AccessTest, ConsentMustBeToTheTextAsItIs) {
  start({"good"});
  const Caller ana = somebody();
  const Json text = ana.get("/api/consent/pt").json;
  const Json good{{"locale", "pt"},
                  {"consent_version", text["version"]},
                  {"consent_sha256", text["sha256"]},
                  {"purposes", {"collect"}},
                  {"adult", true}};
  const auto with = [&](const char* key, const Json& value) {
    Json body = good;
    body[key] = value;
    return ana.post("/api/visits", body);
  };
  EXPECT_EQ(with("consent_sha256", std::string(64, '0')).code(), "consent_outdated");
  EXPECT_EQ(with("consent_version", "1999").code(), "consent_outdated");
  EXPECT_EQ(with("locale", "es").code(), "consent_outdated") << "the hash of another language";
  EXPECT_EQ(with("locale", "fr").status, 400);
  EXPECT_EQ(with("adult", false).status, 400);
  EXPECT_EQ(with("purposes", Json::array({"train"})).status, 400) << "nothing can be kept without collect";
  EXPECT_EQ(with("purposes", Json::array({"collect", "sell"})).status, 400);
  EXPECT_EQ(with("kind", "admin").status, 400);
  EXPECT_EQ(with("annotator", "ana").status, 400) << "names are for programs";
  EXPECT_EQ(ana.post("/api/visits", good).status, 201);
}

TEST_F(AccessTest, ProgramsTakePartOnlyWhereAllowed) {
  CollectorConfig config;
  config.api_visits = false;
  start({"good"}, config);
  Caller program = somebody();
  EXPECT_EQ(program.visit("demo").status, 400);
  EXPECT_EQ(program.visit("api").status, 400);
  EXPECT_EQ(program.visit("person").status, 201);
  EXPECT_EQ(program.post("/api/conversations", {{"source", "demo"}}).status, 400) << "a person's words are not a demo";
}

TEST_F(AccessTest, AVisitorWhoHurriesIsSlowedDown) {
  CollectorConfig config;
  config.acts_per_minute = 30;
  start({"good"}, config);
  Caller ana = visitor(), luz = visitor();
  int refused = 0;
  for (int i = 0; i < 15; ++i) {
    const Reply reply = ana.get("/api/conversations");
    if (reply.status != 429) continue;
    ++refused;
    EXPECT_EQ(reply.code(), "rate_limited");
    EXPECT_FALSE(reply.headers.get("Retry-After").empty());
  }
  EXPECT_GE(refused, 4);
  EXPECT_EQ(luz.get("/api/conversations").status, 200) << "others are not";
}

TEST_F(AccessTest, ThePageComesWithAStrictPolicy) {
  start({"good"});
  const Caller anybody = somebody();
  for (const char* path : {"/", "/withdraw", "/js/app.js", "/style.css", "/locales/pt.json"}) {
    const Reply reply = anybody.get(path);
    EXPECT_EQ(reply.status, 200) << path;
    const std::string policy = reply.headers.get("Content-Security-Policy");
    EXPECT_NE(policy.find("default-src 'none'"), std::string::npos) << path;
    EXPECT_EQ(policy.find("unsafe"), std::string::npos) << path;
    EXPECT_EQ(reply.headers.get("X-Content-Type-Options"), "nosniff") << path;
  }
  EXPECT_EQ(anybody.get("/consent/es.json").status, 404) << "only with the operator's name, by the API";
}

}  // namespace
}  // namespace afina::collector
