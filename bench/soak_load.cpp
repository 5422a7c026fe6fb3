// SPDX-License-Identifier: Apache-2.0
#include "bench/soak_load.h"

#include <condition_variable>

#include "base/error.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "storage/accounts/accounts.h"
#include "storage/accounts/tokens.h"
#include "storage/events/webhooks.h"
#include "storage/people.h"
#include "storage/tasks/submissions.h"
#include "storage/transaction.h"

namespace afina::bench {
namespace {

using storage::Aspect;
using storage::Database;
using storage::kPublicWorkspace;
using storage::new_receipt_code;
using storage::new_session_token;
using storage::new_webhook_secret;
using storage::NewAccount;
using storage::NewItem;
using storage::NewToken;
using storage::NewVisitor;
using storage::ProjectKind;
using storage::ProjectSettings;
using storage::Role;
using storage::Transaction;
using storage::Webhook;

struct Member {
  std::string account_id, token;
};

Member make_member(Database& database, Role role, std::vector<std::string> scopes) {
  NewToken token;
  token.name = "soak";
  token.secret = random_hex(32);
  token.scopes = std::move(scopes);
  token.rate_class = "bulk";
  token.workspace_id = kPublicWorkspace;
  NewAccount account;
  account.name = "soak-" + account.id;
  NewVisitor visitor;
  visitor.annotator_id = account.annotator_id;
  visitor.session_token = new_session_token();
  visitor.receipt_code = new_receipt_code();
  visitor.consent.purposes = {"train", "review"};
  token.account_id = account.id;
  database.transaction([&](Transaction& t) {
    create_account(t, account);
    add_member(t, kPublicWorkspace, account.id, role);
    visitor.consent.text_id = ensure_consent_text(t, "soak", "es", "soak").id;
    create_visitor(t, visitor);
    set_account_visitor(t, account.id, visitor.id);
    create_token(t, token);
  });
  return {account.id, token_text(token)};
}

/// Requests of one person or program, with its errors counted under a name.
class Caller {
 public:
  Caller(Load& load, std::string name, std::string token)
      : load_(load), name_(std::move(name)), token_(std::move(token)) {}
  void become_visitor() {
    const Json text = parse_json(ask("GET", "/api/consent/es").body, "consent");
    const auto visit = ask("POST", "/api/visits",
                           {{"locale", "es"},
                            {"consent_version", text.at("version")},
                            {"consent_sha256", text.at("sha256")},
                            {"purposes", {"collect", "train", "review"}},
                            {"adult", true},
                            {"kind", "demo"}});
    token_ = visit.json().at("session_token");
  }
  /// Throws HttpError for what is neither 2xx nor 503; Busy for the latter.
  http::ClientResponse ask(const std::string& method, const std::string& path, const Json& body = nullptr) {
    http::ClientOptions options;
    options.base_url = load_.address;
    options.max_retries = 0;
    options.read_deadline = std::chrono::seconds(20);
    options.max_response_bytes = size_t{1} << 30;
    http::Headers headers;
    if (!token_.empty()) headers.set("Authorization", "Bearer " + token_);
    if (method == "POST") headers.set("Idempotency-Key", new_uuid());
    http::ClientResponse answer =
        http::Client(options).request(method, path, body.is_null() ? "" : dump_json(body), headers);
    if (answer.status == 503) throw Busy{};
    if (answer.status >= 400)
      throw DataError(
          cat(method, " ", path.substr(0, path.find('/', 6)), " ", answer.status, " ", answer.body.substr(0, 200)));
    return answer;
  }
  struct Busy {};
  /// Runs `act` again and again, with a pause between.
  template <typename F>
  void repeat(const std::stop_token& stop, F&& act) {
    std::mutex mutex;
    std::condition_variable_any never;
    while (!stop.stop_requested()) {
      try {
        act();
        load_.done.count(name_);
      } catch (const Busy&) {
        ++load_.busy;
      } catch (const std::exception& error) {
        load_.errors.count(cat(name_, ": ", std::string(error.what()).substr(0, 160)));
      }
      std::unique_lock lock(mutex);
      never.wait_for(lock, stop, load_.between_acts, [] { return false; });
    }
  }

 private:
  Load& load_;
  const std::string name_;
  std::string token_;
};

/// The turn that a stream of events ends with.
Json done_turn(const std::string& events) {
  Json turn;
  http::SseParser parser([&](const http::SseEvent& event) {
    if (event.event == "done") turn = parse_json(event.data, "turn");
    return true;
  });
  parser.push(events);
  if (turn.is_null()) throw DataError(cat("a stream without its end: ", events.substr(0, 80)));
  return turn;
}

}  // namespace

void prepare(Load& load) {
  const Member boss = make_member(load.database, Role::engineer, {"data", "read"});
  load.engineer_token = boss.token;
  load.database.transaction([&](Transaction& t) {
    ProjectSettings settings;
    settings.name = "soak";
    settings.kind = ProjectKind::rating;
    settings.aspects = {Aspect::helpful};
    settings.overlap = 50;
    load.project_id = create_project(t, {new_uuid(), kPublicWorkspace, boss.account_id, settings, "k"}).id;
    std::vector<NewItem> items(2000);
    for (NewItem& item : items) {
      item.prompt = {{"user", "¿Dónde pago la luz?"}};
      item.answers = {{"En la oficina de la calle principal.", "a"}};
    }
    add_items(t, {load.project_id, kPublicWorkspace, boss.account_id, "k", sha256_hex("k")}, items);
  });
}

void add_webhook(Load& load, const std::string& url) {
  Webhook webhook;
  webhook.workspace_id = kPublicWorkspace;
  webhook.url = url;
  webhook.types = {"*"};
  webhook.secret = new_webhook_secret();
  load.database.transaction([&](Transaction& t) { create_webhook(t, webhook); });
}

void chat(Load& load, const std::stop_token& stop) {
  Caller me(load, "chat", "");
  int64_t visits = 0;
  me.repeat(stop, [&] {
    if (visits++ % 20 == 0) me.become_visitor();
    const std::string id = me.ask("POST", "/api/conversations", Json::object()).json().at("id");
    for (int turn = 0; turn < 2; ++turn)
      done_turn(
          me.ask("POST", cat("/api/conversations/", id, "/messages"), {{"text", "¿y el pan?"}, {"answers", 1}}).body);
    me.ask("GET", "/api/conversations/" + id);
    me.ask("GET", "/api/conversations");
  });
}

void vote(Load& load, const std::stop_token& stop) {
  Caller me(load, "vote", "");
  int64_t visits = 0;
  me.repeat(stop, [&] {
    if (visits++ % 20 == 0) me.become_visitor();
    const std::string id = me.ask("POST", "/api/conversations", {{"mode", "arena"}}).json().at("id");
    const Json turn = done_turn(
        me.ask("POST", cat("/api/conversations/", id, "/messages"), {{"text", "compara"}, {"answers", 2}}).body);
    me.ask("POST", "/api/votes", {{"exposure", turn.at("exposure")}, {"outcome", visits % 7 - 3}, {"reason", "sí"}});
    me.ask("POST", cat("/api/pairs/", turn.at("exposure").get<std::string>(), "/reveal"), Json::object());
  });
}

void do_tasks(Load& load, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Caller me(load, "task", make_member(load.database, Role::annotator, {"tasks"}).token);
    std::stop_source next_person;  // once somebody has done all
    const std::stop_callback both(stop, [&] { next_person.request_stop(); });
    me.repeat(next_person.get_token(), [&] {
      const Json got = me.ask("POST", cat("/api/projects/", load.project_id, "/next"), Json::object()).json();
      if (got.at("task").is_null()) {
        next_person.request_stop();
        return;
      }
      const std::string at = cat("/api/assignments/", got["task"].at("assignment").get<std::string>());
      me.ask("POST", at + "/draft", {{"rev", 0}, {"body", {{"a", 4}}}});
      me.ask("POST", at + "/submit", {{"aspects", {{{"side", "a"}, {"aspect", "helpful"}, {"value", 4}}}}});
    });
  }
}

void load_pages(Load& load, const std::stop_token& stop) {
  Caller me(load, "page", "");
  me.repeat(stop, [&] {
    for (const char* path :
         {"/", "/join", "/api/consent/pt", "/api/leaderboard", "/api/statistics", "/api/openapi.json"})
      me.ask("GET", path);
  });
}

void export_files(Load& load, const std::stop_token& stop) {
  Caller me(load, "export", load.engineer_token);
  size_t turn = 0;
  me.repeat(stop, [&] {
    constexpr const char* kFiles[] = {"judgements.jsonl", "judgements.parquet", "conversations.jsonl",
                                      "dpo.parquet",      "kto.jsonl",          "sft.jsonl"};
    me.ask("GET", cat("/api/exports/", kFiles[turn++ % std::size(kFiles)]));
  });
}

}  // namespace afina::bench
