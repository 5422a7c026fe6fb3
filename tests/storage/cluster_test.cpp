// SPDX-License-Identifier: Apache-2.0
// The private cluster with a real keeper: several clients, kills, stale files. Everything lies in a folder of its own.
#include "storage/cluster.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "storage/child_process.h"
#include "storage/database.h"
#include "storage/keeper_link.h"
#include "storage/transaction.h"
#include "tests/support/test_database.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

template <typename Done>
bool eventually(std::chrono::milliseconds limit, Done&& done) {
  for (const auto deadline = std::chrono::steady_clock::now() + limit; !done();) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

std::string keeper_program() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "afina_test_keeper";
}

// One data folder for all tests here: initdb is the slow part. Each test begins without a server.
class PrivateCluster : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_log_level(LogLevel::error);
    folder_ = std::make_unique<TestFolder>();
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void TearDown() override {
    ClusterAddress address;
    if (ask_keeper(home(), address)) kill(static_cast<pid_t>(address.keeper_pid), SIGTERM);
    EXPECT_TRUE(eventually(30s, [&] { return processes_in(home() / "postgres").empty(); }));
    std::error_code ignored;
    fs::remove_all(cluster_paths(cluster_path_inputs(home())).run, ignored);
  }
  static fs::path home() { return folder_->path() / "home"; }
  DatabaseOptions options(std::chrono::milliseconds linger = 30s) const {
    DatabaseOptions o;
    o.announce = false;
    o.keeper_linger = linger;
    o.keeper_command = {keeper_program()};
    o.pool_wait = 15s;
    return o;
  }
  std::unique_ptr<Database> open(std::chrono::milliseconds linger = 30s) const {
    return Database::open({DatabaseTarget::Kind::home, "", home()}, options(linger));
  }
  ClusterAddress address() const {
    ClusterAddress a;
    EXPECT_TRUE(ask_keeper(home(), a));
    return a;
  }
  static int64_t one(Database& db) {
    return db.read([](Transaction& t) { return t.exec("SELECT 1 AS one").one().integer("one"); });
  }
  static inline std::unique_ptr<TestFolder> folder_;
};

TEST_F(PrivateCluster, IsMadeOnFirstUseAndStopsAfterItsLastClient) {
  {
    const auto first = open(300ms);
    const auto second = open(300ms);
    EXPECT_EQ(one(*first), 1);
    EXPECT_EQ(one(*second), 1);
    EXPECT_NE(first->describe().find(home().string()), std::string::npos);
    const std::string settings = first->read([](Transaction& t) {
      return t
          .exec(
              "SELECT current_setting('fsync') || current_setting('synchronous_commit') || "
              "current_setting('listen_addresses') || current_setting('data_checksums') AS s")
          .one()
          .text("s");
    });
    EXPECT_EQ(settings, "ononon") << "fsync, synchronous_commit, no TCP, checksums";
  }
  EXPECT_TRUE(eventually(20s, [&] { return processes_in(home() / "postgres").empty(); }));
  EXPECT_FALSE(fs::exists(home() / "postgres" / "postmaster.pid")) << "a clean stop";
  const auto again = open(300ms);
  EXPECT_EQ(one(*again), 1);
}

TEST_F(PrivateCluster, SocketsLieInAFolderThatOnlyTheOwnerEnters) {
  const auto db = open();
  const ClusterPaths paths = cluster_paths(cluster_path_inputs(home()));
  EXPECT_EQ(fs::status(paths.run).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(paths.data).permissions(), fs::perms::owner_all);
  EXPECT_LT(paths.run.string().size() + std::string("/.s.PGSQL.5432.lock").size(), 108U);
}

TEST_F(PrivateCluster, SeveralProgramsThatStartAtOnceShareOneServer) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      try {
        const auto db = open();
        _exit(one(*db) == 1 ? 0 : 1);
      } catch (const std::exception& error) {
        fprintf(stderr, "%s\n", error.what());
        _exit(2);
      }
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children)
    EXPECT_EQ(wait_child(pid), 0);
  EXPECT_GT(address().postgres_pid, 0);
}

TEST_F(PrivateCluster, AKilledServerIsStartedAgain) {
  const auto db = open();
  const ClusterAddress before = address();
  kill(static_cast<pid_t>(before.postgres_pid), SIGKILL);
  EXPECT_EQ(one(*db), 1);
  EXPECT_EQ(address().keeper_pid, before.keeper_pid);
  EXPECT_NE(address().postgres_pid, before.postgres_pid);
}

TEST_F(PrivateCluster, AKilledKeeperTakesItsServerAlongAndTheNextCallStartsBoth) {
  const auto db = open();
  const ClusterAddress before = address();
  kill(static_cast<pid_t>(before.keeper_pid), SIGKILL);
  EXPECT_TRUE(eventually(10s, [&] { return kill(static_cast<pid_t>(before.postgres_pid), 0) != 0; }))
      << "the server dies with its keeper";
  EXPECT_EQ(one(*db), 1);
  EXPECT_NE(address().keeper_pid, before.keeper_pid);
}

TEST_F(PrivateCluster, RemainsOfADeadServerAreCleared) {
  { open(100ms); }
  ASSERT_TRUE(eventually(20s, [&] { return processes_in(home() / "postgres").empty(); }));
  // As after a power cut, when the number has been given to another process since: here to this one.
  const fs::path pid_file = home() / "postgres" / "postmaster.pid";
  std::ofstream(pid_file) << getpid() << "\n" << (home() / "postgres").string() << "\n1\n5432\n/tmp\n\n  1 1\nready\n";
  const ClusterPaths paths = cluster_paths(cluster_path_inputs(home()));
  std::ofstream(paths.run / ".s.PGSQL.5432.lock") << getpid() << "\n";
  std::ofstream(paths.address) << "{\"socket\": \"" << (paths.run / "gone.sock").string() << "\"}\n";
  const auto db = open();
  EXPECT_EQ(one(*db), 1);
}

TEST_F(PrivateCluster, AServerThatCannotStartIsATypedErrorThatNamesTheLog) {
  { open(100ms); }
  ASSERT_TRUE(eventually(20s, [&] { return processes_in(home() / "postgres").empty(); }));
  const fs::path settings = home() / "postgres" / "postgresql.conf";
  const std::string good = read_file(settings);
  std::ofstream(settings) << "no_such_setting = 1\n";
  try {
    open();
    ADD_FAILURE() << "must not open";
  } catch (const StorageError& error) {
    EXPECT_NE(std::string(error.what()).find("keeper.log"), std::string::npos) << error.what();
  }
  std::ofstream(settings) << good;
}

TEST_F(PrivateCluster, AMissingKeeperProgramIsATypedError) {
  DatabaseOptions o = options();
  o.keeper_command = {"/nonexistent/afina", "db", "keep"};
  EXPECT_THROW(Database::open({DatabaseTarget::Kind::home, "", home()}, o), StorageError);
  EXPECT_THROW(Database::open({DatabaseTarget::Kind::none, "", {}}, o), UsageError);
}

TEST_F(PrivateCluster, RunsForAnOrdinaryUserAndClearsACutInitdb) {
  if (geteuid() != 0) return;  // then every other test here is this one
  const fs::path theirs = folder_->path() / "ordinary";
  fs::create_directories(theirs);
  ASSERT_EQ(chown(theirs.c_str(), 65534, 65534), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(3);
    try {
      fs::create_directories(theirs / "home" / "postgres.new");
      std::ofstream(theirs / "home" / "postgres.new" / "PG_VERSION") << "15\n";
      const auto db = Database::open({DatabaseTarget::Kind::home, "", theirs / "home"}, options(100ms));
      _exit(one(*db) == 1 ? 0 : 1);
    } catch (const std::exception& error) {
      fprintf(stderr, "%s\n", error.what());
      _exit(2);
    }
  }
  EXPECT_EQ(wait_child(pid), 0);
  EXPECT_TRUE(eventually(20s, [&] { return processes_in(theirs / "home" / "postgres").empty(); }));
  EXPECT_FALSE(fs::exists(theirs / "home" / "postgres.new"));
  struct stat info {};
  ASSERT_EQ(stat((theirs / "home" / "postgres").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 65534U);
}

TEST(ClusterPlaces, RootsDataLeavesAHomeThatUserPostgresCannotEnter) {
  if (geteuid() != 0) return;
  const TestFolder folder;
  ClusterPathInputs inputs = cluster_path_inputs(folder.path() / "home");
  inputs.state_folder = folder.path() / "state";
  EXPECT_FALSE(cluster_paths(inputs).outside_home);
  fs::permissions(folder.path(), fs::perms::owner_all);
  const ClusterPaths paths = cluster_paths(inputs);
  EXPECT_TRUE(paths.outside_home);
  EXPECT_EQ(paths.data.string().rfind(inputs.state_folder.string(), 0), 0U);
}

TEST(ClusterPlaces, ALongTemporaryFolderIsNotUsedForSockets) {
  ClusterPathInputs inputs = cluster_path_inputs("/somewhere/home");
  inputs.temporary_folder = "/" + std::string(120, 't');
  EXPECT_LT(cluster_paths(inputs).run.string().size(), 81U);
}

TEST(ClusterPlaces, AFolderThatSomebodyElsePreparedIsRefused) {
  const TestFolder folder;
  const fs::path trap = folder.path() / "run";
  fs::create_directory(trap);
  fs::permissions(trap, fs::perms::all);
  EXPECT_THROW(make_private_folder(trap, geteuid(), getegid()), StorageError);
  fs::remove(trap);
  fs::create_symlink("/tmp", trap);
  EXPECT_THROW(make_private_folder(trap, geteuid(), getegid()), StorageError);
}

}  // namespace
}  // namespace afina::storage
