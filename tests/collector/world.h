// SPDX-License-Identifier: Apache-2.0
// What the tests with a database share: one PostgreSQL for the process, a collector on loopback over fake models, and
// people who call it.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "collector/collector.h"
#include "http/client.h"
#include "http/sse.h"
#include "storage/cluster.h"
#include "tests/collector/fake_upstream.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_database.h"

namespace afina::collector {

/// A PostgreSQL that keeps what it committed (fsync on), for tests that kill it; fresh() makes an empty database in it.
/// Other tests take the quick one of tests/support.
class TestPostgres {
 public:
  static TestPostgres& instance();
  storage::Cluster& cluster() { return *cluster_; }
  /// An open database with the schema and nothing else.
  std::unique_ptr<storage::Database> fresh();

 private:
  TestPostgres();
  TempFolder folder_;
  std::unique_ptr<storage::Cluster> cluster_;
  int made_ = 0;
};

struct Reply {
  int status = 0;
  Json json;
  http::Headers headers;
  std::vector<http::SseEvent> events;

  std::string code() const { return json.is_object() && json.contains("error") ? json["error"].value("code", "") : ""; }
  /// The data of the last event of that name.
  Json event(const std::string& name) const;
};

/// Somebody who calls the API. A person sends the cookie, a program the bearer token.
class Caller {
 public:
  explicit Caller(std::string address) : client_(options(std::move(address))) {}
  Reply call(const std::string& method, const std::string& path, const Json& body = nullptr,
             const std::string& key = "", const http::Headers& more = {}) const;
  Reply get(const std::string& path) const { return call("GET", path); }
  /// With a fresh key where none is given.
  Reply post(const std::string& path, const Json& body = Json::object(), const std::string& key = new_uuid()) const {
    return call("POST", path, body, key);
  }
  /// Consents; kind "person", "api" or "demo".
  Reply visit(const std::string& kind = "demo",
              const std::vector<std::string>& purposes = {"collect", "train", "review"},
              const std::string& annotator = "");
  std::string receipt;

  /// A conversation with one message; the reply of the message.
  Reply ask(const std::string& text = "¿Cómo hago pan?", int answers = 2);
  std::string conversation;

 private:
  static http::ClientOptions options(std::string address);
  http::Client client_;
  std::string cookie_, token_;
};

class World : public testing::Test {
 protected:
  /// Models of the fake upstream, by name.
  void start(const std::vector<std::string>& models, CollectorConfig config = {}, RandomSource random = random_u32);
  Caller somebody() const { return Caller(collector_->address()); }
  /// A demo visitor who consented.
  Caller visitor(const std::vector<std::string>& purposes = {"collect", "train", "review"}) const;

  bool durable_ = false;  ///< set before start(): the database of TestPostgres
  FakeUpstream fake_;
  std::unique_ptr<storage::TestDatabase> quick_;
  std::unique_ptr<storage::Database> durable_database_;
  storage::Database* database_ = nullptr;
  std::unique_ptr<Collector> collector_;
};

}  // namespace afina::collector
