// SPDX-License-Identifier: Apache-2.0
// Members, projects and items over HTTP, in few words.
#pragma once
#include <string>
#include <vector>

#include "base/hash.h"
#include "storage/accounts/accounts.h"
#include "storage/accounts/tokens.h"
#include "storage/people.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {

/// A member who calls with an API token.
struct Member {
  http::Headers headers;
  std::string account_id, visitor_id;
};

class TaskRoutesWorld : public World {
 protected:
  void SetUp() override { start({"good"}); }

  Member member(storage::Role role, const std::vector<std::string>& scopes = {"tasks", "review", "data"},
                const std::string& workspace = storage::kPublicWorkspace) {
    storage::NewAccount account;
    account.name = "persona-" + account.id;
    storage::NewVisitor visitor;
    visitor.annotator_id = account.annotator_id;
    visitor.session_token = storage::new_session_token();
    visitor.receipt_code = storage::new_receipt_code();
    const std::string secret = token(account, visitor, role, scopes, workspace);
    Member out;
    out.headers.set("Authorization", "Bearer " + secret);
    out.account_id = account.id;
    out.visitor_id = visitor.id;
    return out;
  }
  std::string token(const storage::NewAccount& account, storage::NewVisitor& visitor, storage::Role role,
                    const std::vector<std::string>& scopes, const std::string& workspace);

  Reply post(const Member& who, const std::string& path, const Json& body = Json::object(),
             const std::string& key = new_uuid()) {
    return somebody().call("POST", path, body, key, who.headers);
  }
  Reply get(const Member& who, const std::string& path) {
    return somebody().call("GET", path, nullptr, "", who.headers);
  }
  static Json settings(const std::string& kind = "pairwise") {
    return {{"name", "proyecto " + new_uuid()},
            {"kind", kind},
            {"locale", "es"},
            {"guidelines", "# Guía"},
            {"overlap", 1},
            {"lease_seconds", 600},
            {"aspects", {"helpful", "dialect"}},
            {"flags", true}};
  }
  static Json item(int number) {
    return {{"external_id", cat("n", number)},
            {"prompt", {{{"role", "user"}, {"content", cat("¿", number, "? ñ 🙂")}}}},
            {"answers", {{{"text", "uno"}, {"model", "m1"}}, {{"text", "dos"}}}}};
  }
  std::string project(const Member& who, const Json& body = settings()) {
    const Reply reply = post(who, "/api/projects", body);
    EXPECT_EQ(reply.status, 201) << reply.json.dump();
    return reply.json.value("id", "");
  }
  Reply add(const Member& who, const std::string& id, const Json& items, const std::string& key = new_uuid()) {
    return post(who, cat("/api/projects/", id, "/items"), {{"items", items}}, key);
  }
  Json next(const Member& who, const std::string& id, bool ahead = false) {
    const Reply reply = post(who, cat("/api/projects/", id, "/next"), ahead ? Json{{"ahead", true}} : Json::object());
    EXPECT_EQ(reply.status, 200) << reply.json.dump();
    return reply.json;
  }
  int64_t count(const std::string& what) {
    return database_->read(
        [&](storage::Transaction& t) { return t.exec(cat("SELECT (SELECT ", what, ") AS n")).one().integer("n"); });
  }
};

inline std::string TaskRoutesWorld::token(const storage::NewAccount& account, storage::NewVisitor& visitor,
                                          storage::Role role, const std::vector<std::string>& scopes,
                                          const std::string& workspace) {
  return database_->transaction([&](storage::Transaction& t) {
    storage::create_account(t, account);
    storage::add_member(t, workspace, account.id, role);
    visitor.consent.text_id = storage::ensure_consent_text(t, "t", "es", "Consiento").id;
    visitor.consent.purposes = {"train", "review"};
    storage::create_visitor(t, visitor);
    storage::set_account_visitor(t, account.id, visitor.id);
    storage::NewToken made;
    made.secret = random_hex(32);
    made.account_id = account.id;
    made.workspace_id = workspace;
    made.name = "prueba";
    made.scopes = scopes;
    storage::create_token(t, made);
    return storage::token_text(made);
  });
}

}  // namespace afina::collector
