// SPDX-License-Identifier: Apache-2.0
#include "tests/collector/world.h"

#include <sys/stat.h>

#include "storage/pg_connection.h"

namespace afina::collector {

TestPostgres& TestPostgres::instance() {
  static TestPostgres postgres;
  return postgres;
}

TestPostgres::TestPostgres() {
  // PostgreSQL never runs as root: user postgres must be able to enter.
  ::chmod(folder_.path().c_str(), 0755);
  storage::ClusterPathInputs inputs = storage::cluster_path_inputs(folder_.path() / "home");
  inputs.temporary_folder = folder_.path();
  inputs.state_folder = folder_.path() / "state";
  std::filesystem::create_directories(inputs.home);
  cluster_ = std::make_unique<storage::Cluster>(storage::cluster_paths(inputs), storage::ClusterOptions());
  cluster_->start();
}

std::unique_ptr<storage::Database> TestPostgres::fresh() {
  const std::string name = cat("test_", ++made_);
  storage::PgConnection(cluster_->url("postgres")).script(cat("CREATE DATABASE ", name));
  storage::DatabaseOptions options;
  options.announce = false;
  return storage::Database::open({.kind = storage::DatabaseTarget::Kind::url, .url = cluster_->url(name)}, options);
}

Json Reply::event(const std::string& name) const {
  Json data;
  for (const auto& event : events) {
    if (event.event == name) data = Json::parse(event.data);
  }
  return data;
}

http::ClientOptions Caller::options(std::string address) {
  http::ClientOptions options;
  options.base_url = std::move(address);
  options.max_retries = 0;
  options.total_deadline = std::chrono::seconds(30);
  return options;
}

Reply Caller::call(const std::string& method, const std::string& path, const Json& body, const std::string& key,
                   const http::Headers& more) const {
  http::Headers headers = more;
  if (!token_.empty()) headers.set("Authorization", cat("Bearer ", token_));
  if (!cookie_.empty()) headers.set("Cookie", cookie_);
  if (!key.empty()) headers.set("Idempotency-Key", key);
  const auto response = client_.request(method, path, body.is_null() ? "" : dump_json(body), headers);
  Reply reply{response.status, nullptr, response.headers, {}};
  if (response.headers.get("Content-Type").starts_with("text/event-stream")) {
    http::SseParser parser([&](const http::SseEvent& event) {
      reply.events.push_back(event);
      return true;
    });
    parser.push(response.body);
  } else {
    reply.json = Json::parse(response.body, nullptr, false);
  }
  return reply;
}

Reply Caller::visit(const std::string& kind, const std::vector<std::string>& purposes, const std::string& annotator) {
  const Json text = get("/api/consent/es").json;
  Json body{{"locale", "es"},
            {"consent_version", text["version"]},
            {"consent_sha256", text["sha256"]},
            {"purposes", purposes},
            {"adult", true},
            {"kind", kind}};
  if (!annotator.empty()) body["annotator"] = annotator;
  const Reply reply = post("/api/visits", body);
  if (reply.status != 201) return reply;
  receipt = reply.json["receipt_code"];
  token_ = reply.json.value("session_token", "");
  const std::string cookie = reply.headers.get("Set-Cookie");
  cookie_ = cookie.substr(0, cookie.find(';'));
  return reply;
}

Reply Caller::ask(const std::string& text, int answers) {
  if (conversation.empty()) conversation = post("/api/conversations").json.at("id");
  return post(cat("/api/conversations/", conversation, "/messages"), {{"text", text}, {"answers", answers}});
}

void World::start(const std::vector<std::string>& models, CollectorConfig config, RandomSource random) {
  for (const std::string& model : models) {
    UpstreamConfig upstream;
    upstream.name = cat("modelo-", model);
    upstream.model = model;
    upstream.base_url = fake_.url();
    upstream.read_seconds = 1;
    upstream.retries = 0;
    if (model == "down") upstream.base_url = "http://127.0.0.1:1";
    if (model == "held") upstream.read_seconds = 30;
    config.upstreams.push_back(upstream);
  }
  config.port = 0;
  if (config.acts_per_minute == CollectorConfig().acts_per_minute) config.acts_per_minute = 0;
  if (config.messages_per_minute == CollectorConfig().messages_per_minute) config.messages_per_minute = 0;
  collector_.reset();
  if (durable_) {
    durable_database_ = TestPostgres::instance().fresh();
    database_ = durable_database_.get();
  } else {
    quick_ = std::make_unique<storage::TestDatabase>();
    database_ = &quick_->db();
  }
  collector_ = std::make_unique<Collector>(config, *database_, std::move(random));
  collector_->start();
}

Caller World::visitor(const std::vector<std::string>& purposes) const {
  Caller caller = somebody();
  const Reply reply = caller.visit("demo", purposes);
  if (reply.status != 201) throw std::runtime_error(cat("no visit: ", reply.status, " ", reply.json.dump()));
  return caller;
}

}  // namespace afina::collector
