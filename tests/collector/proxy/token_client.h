// SPDX-License-Identifier: Apache-2.0
// A program with an API token, and a world that makes accounts for it.
#pragma once
#include "base/hash.h"
#include "storage/accounts/accounts.h"
#include "storage/accounts/tokens.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {

class Program {
 public:
  Program(const std::string& address, std::string token) : caller_(address), token_(std::move(token)) {}
  Reply call(const std::string& method, const std::string& path, const Json& body = nullptr,
             const std::string& key = "") const {
    http::Headers headers;
    headers.set("Authorization", cat("Bearer ", token_));
    return caller_.call(method, path, body, key, headers);
  }
  Reply get(const std::string& path) const { return call("GET", path); }
  Reply post(const std::string& path, const Json& body, const std::string& key = "") const {
    return call("POST", path, body, key);
  }

  const std::string& token() const { return token_; }

  std::string visitor_id, account_id, receipt;

 private:
  Caller caller_;
  std::string token_;
};

class TokenWorld : public World {
 protected:
  /// A member with a token; consents unless `consent` is false.
  Program program(storage::Role role, const std::vector<std::string>& scopes, bool consent = true,
                  const std::string& workspace = storage::kPublicWorkspace) {
    storage::NewAccount account;
    account.name = cat("programa-", ++programs_);
    storage::NewToken token;
    token.secret = random_hex(32);
    token.account_id = account.id;
    token.workspace_id = workspace;
    token.name = "prueba";
    token.scopes = scopes;
    storage::NewVisitor visitor;
    visitor.annotator_id = account.annotator_id;
    visitor.locale = "es";
    visitor.receipt_code = storage::new_receipt_code();
    visitor.consent.purposes = {"collect", "train", "review"};
    database_->transaction(
        [&](storage::Transaction& t) {
          storage::create_account(t, account);
          storage::add_member(t, workspace, account.id, role);
          if (consent) {
            storage::NewVisitor row = visitor;
            row.consent.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
            storage::create_visitor(t, row);
            storage::set_account_visitor(t, account.id, row.id);
          }
          storage::create_token(t, token);
        },
        {.workspace = workspace});
    Program made(collector_->address(), storage::token_text(token));
    made.visitor_id = consent ? visitor.id : "";
    made.account_id = account.id;
    made.receipt = visitor.receipt_code;
    return made;
  }
  Program proxy_program() { return program(storage::Role::annotator, {"proxy"}); }

  int64_t count(const std::string& what) {
    return database_->transaction(
        [&](storage::Transaction& t) { return t.exec("SELECT count(*) AS n FROM " + what).one().integer("n"); });
  }
  storage::Result rows(const std::string& sql) {
    return database_->transaction([&](storage::Transaction& t) { return t.exec(sql); });
  }
  /// Waits until the query counts that many rows.
  bool wait_for(const std::string& what, int64_t n) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      if (count(what) >= n) return true;
      std::this_thread::yield();
    }
    return false;
  }

 private:
  int programs_ = 0;
};

}  // namespace afina::collector
