// SPDX-License-Identifier: Apache-2.0
// A world in which there is something of every kind that a route can name, and whose it is.
#pragma once
#include <map>

#include "tests/collector/accounts/full_body_world.h"

namespace afina::collector {
struct NamedObject {
  std::string path;
  Json body = Json::object();
  bool personal = false;  ///< its owner's alone: an admin of the same workspace is a stranger too
};

/// One object for each route with a {…}, in the workspace place_.
class NamedObjectsTest : public FullBodyTest {
 protected:
  void SetUp() override {
    FullBodyTest::SetUp();
    if (HasFatalFailure()) return;
    add_personal();
    add_of_workspace();
  }
  int64_t rows() { return rows_but({"audit_event", "account_session"}); }

  void add_personal() {
    const std::string id = chat(ana_);
    const Json pair = turn(ana_, id, 2);
    const std::string of = cat("/api/conversations/", id), shown = pair.at("exposure"), turn_id = pair.at("id");
    const auto mine = [this](const std::string& key, const std::string& path, const Json& body = kNothing) {
      targets_[key] = {path, body, true};
    };
    mine("GET /api/conversations/{id}", of);
    mine("POST /api/conversations/{id}/messages", cat(of, "/messages"), {{"text", "hola"}});
    for (const char* act : {"retry", "regenerate"})
      mine(cat("POST /api/conversations/{id}/turns/{turn}/", act), cat(of, "/turns/", turn_id, "/", act));
    mine("GET /api/conversations/{id}/turns/{turn}/stream", cat(of, "/turns/", turn_id, "/stream"));
    mine("POST /api/pairs/{exposure}/reveal", cat("/api/pairs/", shown, "/reveal"));
    mine("POST /api/votes/{id}/undo", cat("/api/votes/", vote(ana_, shown), "/undo"));
    const std::string single = chat(ana_), answered = turn(ana_, single, 1).at("id");
    mine("POST /api/answers/{conversation}/{turn}/notes", cat("/api/answers/", single, "/", answered, "/notes"),
         {{"rewrite", "Mejor así."}});
    mine("POST /api/sessions/{id}/end", cat("/api/sessions/", ana_.session_id, "/end"));
    const std::string task = assignment();
    const auto act = [&](const std::string& name, const Json& body) {
      mine(cat("POST /api/assignments/{id}/", name), cat("/api/assignments/", task, "/", name), body);
    };
    act("heartbeat", kNothing);
    act("draft", {{"rev", 0}, {"body", {{"reason", "a medias"}}}});
    act("skip", {{"reason", "no sé"}});
    act("submit", {{"outcome", 2}, {"ms_to_decide", 9000}});
  }

  void add_of_workspace() {
    const auto theirs = [this](const std::string& key, const std::string& path, const Json& body = kNothing) {
      targets_[key] = {path, body, false};
    };
    const std::string of = cat("/api/projects/", project("ajeno"));
    for (const char* part : {"", "/items", "/disagreements", "/agreement", "/annotators"})
      theirs(cat("GET /api/projects/{id}", part), cat(of, part));
    const std::string item = get(admin_, cat(of, "/items")).json.at("items").at(0).at("id");
    theirs("POST /api/projects/{id}", of, {{"state", "paused"}});
    const Json text{{"external_id", "n9"},
                    {"prompt", {{{"role", "user"}, {"content", "¿Pan?"}}}},
                    {"answers", {{{"text", "Sí."}}, {{"text", "No."}}}}};
    theirs("POST /api/projects/{id}/items", cat(of, "/items"), {{"items", Json::array({text})}});
    theirs("POST /api/projects/{id}/items/from", cat(of, "/items/from"), {{"source", "conversations"}, {"limit", 1}});
    theirs("POST /api/projects/{id}/next", cat(of, "/next"));
    theirs("POST /api/items/{id}/adjudicate", cat("/api/items/", item, "/adjudicate"), {{"outcome", 1}});
    theirs("POST /api/accounts/{id}", cat("/api/accounts/", ana_.account_id), {{"role", "reviewer"}});
    const std::string invitation = id_of(post(admin_, "/api/invitations", {{"role", "annotator"}}));
    theirs("POST /api/invitations/{id}/revoke", cat("/api/invitations/", invitation, "/revoke"));
    const std::string token = id_of(post(admin_, "/api/tokens", {{"name", "k"}, {"scopes", {"read"}}, {"days", 1}}));
    theirs("POST /api/tokens/{id}/revoke", cat("/api/tokens/", token, "/revoke"));
    const std::string hook = cat(
        "/api/webhooks/", id_of(post(admin_, "/api/webhooks", {{"url", fake_.url()}, {"types", {"webhook.test"}}})));
    for (const char* act : {"test", "disable", "enable"})
      theirs(cat("POST /api/webhooks/{id}/", act), cat(hook, "/", act));
    theirs("GET /api/webhooks/{id}/deliveries", cat(hook, "/deliveries"));
  }

  std::map<std::string, NamedObject> targets_;
};

}  // namespace afina::collector
