// SPDX-License-Identifier: Apache-2.0
// Every route with everything its body may hold, by the role afina_web with row-level security, as in production: what
// works for an owner and lacks a grant or a policy fails here. A route without an example fails the test.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

const Json kNothing = Json::object();
const Json kDetails{{"aspects", {{{"side", "a"}, {"aspect", "dialect"}, {"value", 4}}}},
                    {"flags", {{{"side", "b"}, {"kind", "toxic"}, {"note", "brusco"}}}},
                    {"spans", {{{"side", "a"}, {"start", 0}, {"end", 2}, {"kind", "good"}, {"text", "claro"}}}},
                    {"reason", "más claro"},
                    {"reason_language", "es-CL"}};

Json with(Json body, const Json& more) {
  body.update(more);
  return body;
}

Json on_one_side(Json details, const Json& side) {
  for (const char* kind : {"aspects", "flags", "spans"}) {
    for (Json& entry : details[kind]) {
      entry.erase("side");
      if (!side.is_null()) entry["side"] = side;
    }
  }
  return details;
}

class FullBodyTest : public MembersWorld {
 protected:
  using Example = std::function<Reply()>;

  void SetUp() override {
    CollectorConfig config;
    config.webhook_allow_private = true;
    start_as_web(config);
    place_ = workspace("Universidad");
    admin_ = member(storage::Role::admin, place_);
    ana_ = member(storage::Role::annotator, place_);
    program_ = token_of(admin_, {"proxy", "data", "read"}, place_);
    add_people();
    add_accounts();
    add_conversations();
    add_judgements();
    add_tasks();
    add_events();
    add_files();
    add_proxy();
  }

  void read(const std::string& pattern, const std::string& path = "") {
    examples_["GET " + pattern] = [this, path = path.empty() ? pattern : path] { return get(admin_, path); };
  }
  void write(const std::string& pattern, Example example) { examples_["POST " + pattern] = std::move(example); }

  std::string id_of(const Reply& reply) const {
    EXPECT_TRUE(reply.status < 300 && reply.json.contains("id")) << reply.status << reply.json;
    return reply.json.value("id", "");
  }
  std::string chat(const Credentials& who) {
    return id_of(post(who, "/api/conversations", {{"locale", "es"}, {"mode", "chat"}}));
  }
  /// The turn of one message.
  Json turn(const Credentials& who, const std::string& conversation, int answers) {
    return post(who, cat("/api/conversations/", conversation, "/messages"), {{"text", "¿Pan?"}, {"answers", answers}})
        .event("done");
  }
  std::string exposure(const Credentials& who) { return turn(who, chat(who), 2).at("exposure"); }
  std::string vote(const Credentials& who, const std::string& shown) {
    return id_of(post(who, "/api/votes", {{"exposure", shown}, {"outcome", 1}}));
  }

  void add_people();
  void add_accounts();
  void add_conversations();
  void add_judgements();
  void add_tasks();
  void add_events();
  void add_files();
  void add_proxy();

  std::string project(const std::string& name);
  std::string assignment();
  Reply full_project(const std::string& name);
  Reply full_items(const std::string& project_id);

  /// What went wrong, one line a route.
  std::vector<std::string> failures() {
    std::vector<std::string> out;
    for (const RouteSpec& spec : collector_->routes()) {
      const std::string key = cat(spec.method, " ", spec.pattern);
      const auto example = examples_.find(key);
      if (example == examples_.end()) {
        out.push_back(cat(key, " has no example"));
        continue;
      }
      const Reply reply = example->second();
      if (reply.status < 200 || reply.status > 299) out.push_back(cat(key, ": ", reply.status, " ", reply.json.dump()));
    }
    return out;
  }

  std::string place_;
  Credentials admin_, ana_, program_;
  std::map<std::string, Example> examples_;
};

void FullBodyTest::add_people() {
  read("/api/me");
  read("/api/session");
  read("/api/consent/{locale}", "/api/consent/es");
  read("/api/export");
  write("/api/visits", [this] {
    return somebody().post("/api/visits", with(consent_fields(), {{"kind", "api"}, {"annotator", "quinchamalí"}}));
  });
  write("/api/consent", [this] {
    Json body = consent_fields();
    body.erase("adult");
    body["purposes"] = {"collect", "train", "review", "publish"};
    return post(visitor_credentials(), "/api/consent", body);
  });
  write("/api/session/end", [this] { return post(visitor_credentials(), "/api/session/end"); });
  write("/api/withdraw", [this] {
    const Reply visit = somebody().post("/api/visits", with(consent_fields(), {{"kind", "api"}}));
    return somebody().post("/api/withdraw", {{"receipt_code", visit.json.at("receipt_code")}});
  });
  read("/api/profile");
  write("/api/profile", [this] {
    return post(ana_, "/api/profile",
                {{"country", "CL"}, {"languages", {"es-CL", "arn"}}, {"dialect", "del campo"}, {"age_band", "35-44"}});
  });
}

void FullBodyTest::add_accounts() {
  for (const char* list : {"/api/sessions", "/api/accounts", "/api/invitations", "/api/tokens", "/api/audit"})
    read(list);
  write("/api/join", [this] { return join(invite(admin_), "rosa"); });
  write("/api/login", [this] {
    join(invite(admin_), "luz");
    return somebody().post("/api/login", {{"name", "luz"}, {"password", kPassphrase}, {"workspace", "Universidad"}});
  });
  write("/api/logout", [this] { return post(member(storage::Role::annotator, place_), "/api/logout"); });
  write("/api/password", [this] {
    const Credentials eva = signed_in(join(invite(admin_), "eva"));
    return post(eva, "/api/password", {{"old", kPassphrase}, {"new", "otra frase que nadie más sabe"}});
  });
  write("/api/sessions/{id}/end", [this] {
    const Credentials who = member(storage::Role::annotator, place_);
    return post(who, cat("/api/sessions/", who.session_id, "/end"));
  });
  write("/api/accounts/{id}", [this] {
    const Credentials who = member(storage::Role::annotator, place_);
    return post(admin_, cat("/api/accounts/", who.account_id),
                {{"role", "reviewer"}, {"status", "active"}, {"project", project("lugar")}});
  });
  write("/api/invitations", [this] {
    return post(
        admin_, "/api/invitations",
        {{"role", "annotator"}, {"project", project("invitados")}, {"max_uses", 9}, {"hours", 4}, {"note", "curso"}});
  });
  write("/api/invitations/{id}/revoke", [this] {
    const std::string id = id_of(post(admin_, "/api/invitations", {{"role", "annotator"}}));
    return post(admin_, cat("/api/invitations/", id, "/revoke"));
  });
  const Json token{{"name", "guion"}, {"scopes", {"read", "data"}}, {"days", 30}, {"rate_class", "bulk"}};
  write("/api/tokens", [this, token] { return post(admin_, "/api/tokens", token); });
  write("/api/tokens/{id}/revoke", [this, token] {
    return post(admin_, cat("/api/tokens/", id_of(post(admin_, "/api/tokens", token)), "/revoke"));
  });
}

void FullBodyTest::add_conversations() {
  read("/api/conversations");
  examples_["GET /api/conversations/{id}"] = [this] { return get(ana_, cat("/api/conversations/", chat(ana_))); };
  examples_["GET /api/conversations/{id}/turns/{turn}/stream"] = [this] {
    const std::string id = chat(ana_);
    const Json done = turn(ana_, id, 1);
    return get(ana_, cat("/api/conversations/", id, "/turns/", done.at("id").get<std::string>(), "/stream"));
  };
  write("/api/conversations", [this] {
    return post(visitor_credentials(), "/api/conversations", {{"locale", "es"}, {"mode", "arena"}, {"source", "api"}});
  });
  write("/api/conversations/{id}/messages", [this] {
    const Credentials program = visitor_credentials();
    return post(program, cat("/api/conversations/", chat(program), "/messages"),
                {{"text", "¿Mari mari?"}, {"answers", 2}, {"pairing", "informative"}});
  });
  write("/api/conversations/{id}/turns/{turn}/retry", [this] {
    const std::string id = chat(ana_), shown = turn(ana_, id, 2).at("id");
    return post(ana_, cat("/api/conversations/", id, "/turns/", shown, "/retry"), {{"answers", 2}});
  });
  write("/api/conversations/{id}/turns/{turn}/regenerate", [this] {
    const std::string id = chat(ana_), shown = turn(ana_, id, 1).at("id");
    return post(ana_, cat("/api/conversations/", id, "/turns/", shown, "/regenerate"), {{"answers", 1}});
  });
}

void FullBodyTest::add_judgements() {
  read("/api/leaderboard");
  read("/api/statistics");
  read("/api/leaderboards");
  write("/api/leaderboards", [this] {
    vote(ana_, exposure(ana_));
    return post(admin_, "/api/leaderboards?locale=es&aspect=dialect&model=davidson");
  });
  write("/api/votes", [this] {
    const std::string shown = exposure(ana_), before = vote(ana_, shown);
    return post(ana_, "/api/votes",
                with(kDetails, {{"exposure", shown},
                                {"outcome", 1},
                                {"confidence", 3},
                                {"ms_to_decide", 4000},
                                {"rewrite", "Mejor así."},
                                {"supersedes", before}}));
  });
  write("/api/votes/{id}/undo", [this] { return post(ana_, cat("/api/votes/", vote(ana_, exposure(ana_)), "/undo")); });
  write("/api/pairs/{exposure}/reveal", [this] {
    const std::string shown = exposure(ana_);
    vote(ana_, shown);
    return post(ana_, cat("/api/pairs/", shown, "/reveal"));
  });
  write("/api/pairs/next", [this] {
    exposure(ana_);
    return post(member(storage::Role::annotator, place_), "/api/pairs/next");
  });
  write("/api/answers/{conversation}/{turn}/notes", [this] {
    const std::string id = chat(ana_), shown = turn(ana_, id, 1).at("id");
    return post(ana_, cat("/api/answers/", id, "/", shown, "/notes"),
                with(on_one_side(kDetails, "only"), {{"rewrite", "Mejor así."}}));
  });
}

Reply FullBodyTest::full_project(const std::string& name) {
  return post(admin_, "/api/projects",
              {{"name", name},
               {"kind", "pairwise"},
               {"locale", "es-CL"},
               {"guidelines", "# Elige\nLa más clara."},
               {"aspects", {"dialect", "clarity"}},
               {"flags", true},
               {"overlap", 2},
               {"lease_seconds", 600},
               {"gold_rate", 0.1},
               {"gold_pass", 0.5},
               {"training_items", 0},
               {"training_pass", 0.5},
               {"skip", "requeue_for_others"},
               {"max_per_annotator", 100}});
}

Reply FullBodyTest::full_items(const std::string& project_id) {
  const Json prompt{{{"role", "user"}, {"content", "¿Cómo se hace el pan?"}}};
  const Json answers{{{"text", "Con harina."}, {"model", "m1"}}, {{"text", "Con paciencia y harina."}}};
  const Json items{{{"external_id", "n1"}, {"prompt", prompt}, {"answers", answers}, {"priority", 3}},
                   {{"external_id", "n2"},
                    {"prompt", prompt},
                    {"answers", answers},
                    {"gold", {{"outcome", 2}}},
                    {"feedback", "La primera responde."}}};
  return post(admin_, cat("/api/projects/", project_id, "/items"), {{"items", items}});
}

std::string FullBodyTest::project(const std::string& name) {
  const std::string id = id_of(full_project(name));
  EXPECT_EQ(full_items(id).status, 201);
  return id;
}

std::string FullBodyTest::assignment() {
  const std::string id = project(cat("p", new_uuid()));
  return post(ana_, cat("/api/projects/", id, "/next")).json.at("task").at("assignment");
}

void FullBodyTest::add_tasks() {
  const std::string standing = project("lectura");
  read("/api/projects");
  read("/api/me/dashboard");
  examples_["GET /api/me/dashboard"] = [this] { return get(ana_, "/api/me/dashboard"); };
  for (const char* part : {"", "/items", "/disagreements", "/agreement", "/annotators"})
    read(cat("/api/projects/{id}", part), cat("/api/projects/", standing, part));
  write("/api/projects", [this] { return full_project("entero"); });
  write("/api/projects/{id}", [this] {
    return post(admin_, cat("/api/projects/", project("cambiado")),
                {{"state", "paused"}, {"guidelines", "Otra vez."}, {"overlap", 3}});
  });
  write("/api/projects/{id}/items", [this] { return full_items(id_of(full_project("cosas"))); });
  write("/api/projects/{id}/items/from", [this] {
    exposure(ana_);
    return post(admin_, cat("/api/projects/", project("de charlas"), "/items/from"),
                {{"source", "conversations"}, {"locale", "es"}, {"limit", 10}});
  });
  write("/api/projects/{id}/next", [this] {
    return post(ana_, cat("/api/projects/", project("trabajo"), "/next"), {{"ahead", false}});
  });
  write("/api/items/{id}/adjudicate", [this] {
    const std::string id = project("parejas");
    const Json items = get(admin_, cat("/api/projects/", id, "/items")).json.at("items");
    return post(admin_, cat("/api/items/", items.at(0).at("id").get<std::string>(), "/adjudicate"),
                {{"outcome", -2}, {"note", "La segunda es más exacta."}});
  });
  const auto act = [this](const std::string& name, const Json& body) {
    write(cat("/api/assignments/{id}/", name),
          [this, name, body] { return post(ana_, cat("/api/assignments/", assignment(), "/", name), body); });
  };
  act("heartbeat", kNothing);
  act("draft", {{"rev", 0}, {"body", {{"reason", "a medias"}}}});
  act("skip", {{"reason", "no sé de esto"}});
  act("submit", with(kDetails, {{"outcome", 2},
                                {"aspects",
                                 {{{"side", "a"}, {"aspect", "dialect"}, {"value", 4}},
                                  {{"side", "b"}, {"aspect", "clarity"}, {"value", 2}}}},
                                {"rewrite", "Mejor así."},
                                {"confidence", 2},
                                {"ms_to_decide", 9000}}));
}

void FullBodyTest::add_events() {
  read("/api/openapi.json");
  read("/api/webhooks");
  const auto hook = [this] {
    return post(admin_, "/api/webhooks", {{"url", fake_.url()}, {"types", {"webhook.test", "task.submitted"}}});
  };
  write("/api/webhooks", hook);
  const auto of_one = [this, hook](const std::string& act) {
    return [this, hook, act] { return post(admin_, cat("/api/webhooks/", id_of(hook()), "/", act)); };
  };
  write("/api/webhooks/{id}/test", of_one("test"));
  write("/api/webhooks/{id}/disable", of_one("disable"));
  examples_["GET /api/webhooks/{id}/deliveries"] = [this, hook] {
    return get(admin_, cat("/api/webhooks/", id_of(hook()), "/deliveries"));
  };
}

void FullBodyTest::add_files() {
  read("/api/imports");
  write("/api/imports", [this] {
    return post(admin_,
                cat("/api/imports?format=text&name=cuaderno&licence=CC0&declaration=propio&locale=es&purposes=train,"
                    "review&project=",
                    project("importado")),
                "Un cuento del campo. Otro cuento del río.");
  });
  examples_["GET /api/exports/{file}"] = [this] {
    vote(ana_, exposure(ana_));
    return get(program_, cat("/api/exports/judgements.jsonl?locale=es&since=2026-01-01&purpose=train&margin_scale=1&"
                             "include_revealed=true&project=",
                             project("exportado")));
  };
}

void FullBodyTest::add_proxy() {
  const auto completion = [this](const Json& more) {
    return post(program_, "/v1/chat/completions",
                with({{"model", "modelo-good"}, {"messages", {{{"role", "user"}, {"content", "¿Pan?"}}}}}, more));
  };
  write("/v1/chat/completions", [completion] {
    return completion({{"stream", false}, {"temperature", 0.5}, {"max_tokens", 64}, {"metadata", kNothing}});
  });
  write("/v1/feedback", [this, completion] {
    Json body = with(on_one_side(kDetails, nullptr), {{"completion_id", completion(kNothing).json.at("id")},
                                                      {"score", 2},
                                                      {"confidence", 4},
                                                      {"rewrite", "Mejor así."}});
    return post(program_, "/v1/feedback", body);
  });
  examples_["GET /v1/models"] = [this] { return get(program_, "/v1/models"); };
  examples_["GET /v1/models/{model}"] = [this] { return get(program_, "/v1/models/modelo-good"); };
}

TEST_F(FullBodyTest, EveryRouteDoesItsWorkAsTheRoleOfTheWeb) {
  for (const std::string& failure : failures())
    ADD_FAILURE() << failure;
  std::set<std::string> known;
  for (const RouteSpec& spec : collector_->routes())
    known.insert(cat(spec.method, " ", spec.pattern));
  for (const auto& [key, example] : examples_)
    EXPECT_TRUE(known.contains(key)) << key << " is no route any more";
}

// The control: whatever is taken from the role is seen.
TEST_F(FullBodyTest, AGrantThatIsMissingIsSeen) {
  for (const char* grant :
       {"UPDATE (project_id) ON membership", "INSERT ON adjudication", "UPDATE ON webhook", "INSERT ON import"}) {
    as_owner([&](storage::Transaction& t) { t.script(cat("REVOKE ", grant, " FROM afina_web")); });
  }
  const auto broken = failures();
  const auto names = [&](const std::string& key) {
    return std::ranges::any_of(broken, [&](const std::string& line) { return line.starts_with(key); });
  };
  EXPECT_TRUE(names("POST /api/accounts/{id}"));
  EXPECT_TRUE(names("POST /api/items/{id}/adjudicate"));
  EXPECT_TRUE(names("POST /api/webhooks/{id}/disable"));
  EXPECT_TRUE(names("POST /api/imports"));
  EXPECT_FALSE(names("POST /api/votes:"));
}

}  // namespace
}  // namespace afina::collector
