// SPDX-License-Identifier: Apache-2.0
// Examples of the routes about people, conversations, judgements, events, files and programs.
#include "tests/collector/accounts/full_body_world.h"

namespace afina::collector {

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
  for (const char* list : {"/api/leaderboard", "/api/statistics", "/api/leaderboards"})
    read(list);
  const auto publish = [this] { return post(admin_, "/api/leaderboards?locale=es&aspect=dialect&model=davidson"); };
  write("/api/leaderboards", publish);
  examples_["GET /api/leaderboards/{id}"] = [=, this] {
    return get(admin_, cat("/api/leaderboards/", id_of(publish())));
  };
  write("/api/votes", [this] {
    const std::string shown = exposure(ana_), before = vote(ana_, shown);
    return post(ana_, "/api/votes",
                with(kDetails, {{"exposure", shown},
                                {"outcome", 1},
                                {"confidence", 3},
                                {"ms_to_decide", 4000},
                                {"rewrite", "Mejor así."},
                                {"shown", {{"layout", "side_by_side"}, {"width_px", 1280}, {"height_px", 860}}},
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
  write("/api/webhooks/{id}/enable", of_one("enable"));
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

}  // namespace afina::collector
