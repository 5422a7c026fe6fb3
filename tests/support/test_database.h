// SPDX-License-Identifier: Apache-2.0
// PostgreSQL for tests: one private server for each test program, started on first use and gone with it, and one fresh
// migrated database for each TestDatabase. No keeper, no home folder, and fsync off: durability has tests of its own.
//
//   TestDatabase test;                       // in the test's body or fixture
//   storage::Database& db = test.db();       // open and migrated
//   storage::DatabaseTarget t = test.target();  // for code that opens its own
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/cat.h"
#include "base/log.h"
#include "base/uuid.h"
#include "storage/cluster.h"
#include "storage/database.h"
#include "storage/migrations.h"
#include "storage/pg_connection.h"

namespace afina::storage {

/// A folder of its own, which user postgres can enter, removed at the end. In memory where there is room: a kill of a
/// process is no less a kill there, and a slow disk's fsync is not what these tests are about.
class TestFolder {
 public:
  TestFolder() {
    std::error_code error;
    const std::filesystem::path memory = "/dev/shm";
    const bool roomy = std::filesystem::space(memory, error).available > (uintmax_t{1} << 30) && !error;
    const std::filesystem::path parent = roomy ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "afina-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class TestServer {
 public:
  /// Started by the thread that asks first, which should be the main one: the server dies with it.
  static TestServer& shared() {
    static TestServer server;
    return server;
  }
  std::string url(const std::string& database) const { return cluster_->url(database); }
  void sql(const std::string& script) { PgConnection(url("postgres")).script(script); }
  Cluster& cluster() { return *cluster_; }

 private:
  TestServer() {
    set_log_level(LogLevel::error);
    ClusterPathInputs inputs = cluster_path_inputs(folder_.path());
    inputs.temporary_folder = folder_.path();
    ClusterOptions options;
    options.fsync = false;
    cluster_ = std::make_unique<Cluster>(cluster_paths(inputs), options);
    cluster_->start();
    sql("CREATE DATABASE afina_template");
    PgConnection connection(url("afina_template"));
    migrate(connection, embedded_migrations());
  }
  TestFolder folder_;
  std::unique_ptr<Cluster> cluster_;  // stops before its folder goes
};

class TestDatabase {
 public:
  explicit TestDatabase(DatabaseOptions options = {}) {
    name_ = cat("t", new_uuid());
    TestServer::shared().sql("CREATE DATABASE \"" + name_ + "\" TEMPLATE afina_template");
    options.announce = false;
    database_ = Database::open(target(), options);
  }
  ~TestDatabase() {
    database_.reset();
    try {
      TestServer::shared().sql("DROP DATABASE \"" + name_ + "\" WITH (FORCE)");
    } catch (const std::exception&) {
      // The server goes with the program.
    }
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  Database& db() { return *database_; }
  std::string url() const { return TestServer::shared().url(name_); }
  DatabaseTarget target() const { return {DatabaseTarget::Kind::url, url(), {}}; }

 private:
  std::string name_;
  std::unique_ptr<Database> database_;
};

}  // namespace afina::storage
