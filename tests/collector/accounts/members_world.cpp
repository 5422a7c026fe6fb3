// SPDX-License-Identifier: Apache-2.0
#include "tests/collector/accounts/members_world.h"

#include "base/hash.h"
#include "storage/accounts/sessions.h"
#include "storage/accounts/tokens.h"

namespace afina::collector {

void MembersWorld::start_as_web(CollectorConfig config, std::vector<std::string> models) {
  for (const std::string& model : models) {
    UpstreamConfig upstream;
    upstream.name = cat("modelo-", model);
    upstream.model = model;
    upstream.base_url = fake_.url();
    upstream.retries = 0;
    config.upstreams.push_back(upstream);
  }
  config.port = 0;
  if (config.acts_per_minute == CollectorConfig().acts_per_minute) config.acts_per_minute = 0;
  if (config.messages_per_minute == CollectorConfig().messages_per_minute) config.messages_per_minute = 0;
  collector_.reset();
  storage::DatabaseOptions options;
  options.role = storage::kWebRole;
  options.workspace = storage::kEveryWorkspace;
  quick_ = std::make_unique<storage::TestDatabase>(options);
  database_ = &quick_->db();
  storage::DatabaseOptions quiet;
  quiet.announce = false;
  owner_ = storage::Database::open(quick_->target(), quiet);
  collector_ = std::make_unique<Collector>(config, *database_);
  collector_->start();
}

int64_t MembersWorld::rows_but(const std::vector<std::string>& tables) {
  return as_owner([&](storage::Transaction& t) {
    const storage::Result query = t.exec(
        "SELECT 'SELECT ' || string_agg(format('(SELECT count(*) FROM %I)', relname), ' + ') || ' AS n' AS q "
        "FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL ($1::text[])",
        storage::Params().texts(tables));
    return t.exec(query.one().text("q")).one().integer("n");
  });
}

std::string MembersWorld::workspace(const std::string& name) {
  return as_owner([&](storage::Transaction& t) { return storage::ensure_workspace(t, name).id; });
}

Credentials MembersWorld::member(storage::Role role, const std::string& workspace_id, const std::string& name) {
  storage::NewAccount account;
  account.name = name.empty() ? cat("persona ", account.id.substr(24)) : name;
  storage::NewVisitor visitor;
  visitor.annotator_id = account.annotator_id;
  visitor.locale = "es";
  visitor.receipt_code = storage::new_receipt_code();
  visitor.consent.purposes = {"collect", "train", "review"};
  storage::NewSession session;
  session.token = storage::new_session_token();
  session.csrf_token = storage::new_session_token();
  session.account_id = account.id;
  session.workspace_id = workspace_id;
  session.role = role;
  owner_->transaction(
      [&](storage::Transaction& t) {
        storage::create_account(t, account);
        storage::add_member(t, workspace_id, account.id, role);
        storage::NewVisitor row = visitor;
        row.consent.text_id = storage::ensure_consent_text(t, "prueba", "es", "Consiento.").id;
        storage::create_visitor(t, row);
        storage::set_account_visitor(t, account.id, visitor.id);
        storage::create_session(t, session);
      },
      {.workspace = workspace_id});
  Credentials who{{}, account.id, visitor.id, session.id, session.csrf_token};
  who.headers.set("Cookie", cat("afina-account=", session.token));
  who.headers.set("X-CSRF-Token", session.csrf_token);
  return who;
}

Credentials MembersWorld::token_of(const Credentials& member, const std::vector<std::string>& scopes,
                                   const std::string& workspace_id) {
  storage::NewToken token;
  token.secret = random_hex(32);
  token.account_id = member.account_id;
  token.workspace_id = workspace_id;
  token.name = "guion";
  token.scopes = scopes;
  as_owner([&](storage::Transaction& t) { storage::create_token(t, token); });
  Credentials who{{}, member.account_id, member.visitor_id, "", ""};
  who.headers.set("Authorization", cat("Bearer ", storage::token_text(token)));
  return who;
}

Credentials MembersWorld::visitor_credentials() {
  storage::NewVisitor visitor;
  visitor.locale = "es";
  visitor.receipt_code = storage::new_receipt_code();
  visitor.session_token = storage::new_session_token();
  visitor.source = storage::Source::api;
  visitor.consent.purposes = {"collect", "train", "review"};
  as_owner([&](storage::Transaction& t) {
    storage::NewVisitor row = visitor;
    row.consent.text_id = storage::ensure_consent_text(t, "prueba", "es", "Consiento.").id;
    storage::create_visitor(t, row);
  });
  Credentials who;
  who.visitor_id = visitor.id;
  who.headers.set("Authorization", cat("Bearer ", visitor.session_token));
  return who;
}

Reply MembersWorld::call(const Credentials& who, const std::string& method, const std::string& path, const Json& body,
                         const std::string& key) const {
  return somebody().call(method, path, body, key, who.headers);
}

Json MembersWorld::consent_fields() const {
  const Json text = somebody().get("/api/consent/es").json;
  return {{"locale", "es"},
          {"consent_version", text.at("version")},
          {"consent_sha256", text.at("sha256")},
          {"purposes", {"collect", "train"}},
          {"adult", true}};
}

Credentials MembersWorld::signed_in(const Reply& reply) {
  Credentials who;
  for (const auto& [name, value] : reply.headers.lines()) {
    if (name == "Set-Cookie" && value.starts_with("afina-account=")) {
      who.headers.set("Cookie", value.substr(0, value.find(';')));
    }
  }
  who.account_id = reply.json.at("account").at("id");
  who.csrf = reply.json.at("csrf");
  who.headers.set("X-CSRF-Token", who.csrf);
  return who;
}

std::string MembersWorld::invite(const Credentials& admin, const Json& wish) {
  return post(admin, "/api/invitations", wish).json.at("token");
}

Reply MembersWorld::join(const std::string& token, const std::string& name, const std::string& passphrase) const {
  Json body = consent_fields();
  body["token"] = token;
  body["name"] = name;
  body["password"] = passphrase;
  return somebody().post("/api/join", body);
}

}  // namespace afina::collector
