// SPDX-License-Identifier: Apache-2.0
// A restore is the same database, proven by rows and hashes; what could mislead is refused.
#include "storage/events/backup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "storage/accounts/accounts.h"
#include "storage/audit.h"
#include "storage/cluster_paths.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;

/// A database that nobody migrated.
class BareDatabase {
 public:
  BareDatabase() : name_("b" + new_uuid()) { TestServer::shared().sql("CREATE DATABASE \"" + name_ + "\""); }
  ~BareDatabase() { TestServer::shared().sql("DROP DATABASE \"" + name_ + "\" WITH (FORCE)"); }
  BareDatabase(const BareDatabase&) = delete;
  BareDatabase& operator=(const BareDatabase&) = delete;
  std::string url() const { return TestServer::shared().url(name_); }
  DatabaseTarget target() const { return {DatabaseTarget::Kind::url, url(), {}}; }

 private:
  std::string name_;
};

/// As a program of that version left it, with somebody in it.
void make_old(const BareDatabase& database, int version) {
  PgConnection connection(database.url());
  std::vector<Migration> known;
  for (const Migration& one : embedded_migrations()) {
    if (one.version <= version) known.push_back(one);
  }
  migrate(connection, known);
  connection.script("INSERT INTO annotator (id, kind, name) VALUES (gen_random_uuid(), 'service', 'Ñandú')");
}

struct Backup : testing::Test {
  void fill(TestDatabase& database) {
    database.db().transaction([](Transaction& t) {
      const Person person = make_person(t);
      const Shown shown = make_pair_for(t, person, "¿Dónde pago la luz? ŋandú 👩‍🌾");
      put_preference(t, vote_on(shown.exposure, -2));
      append_audit(t, "test", "fill", person.visitor_id);
    });
  }
  TestFolder folder;
  fs::path file = folder.path() / "copia.dump";
};

TEST_F(Backup, RestoresEveryRowOfEveryTable) {
  TestDatabase before, after;
  fill(before);
  const auto told = backup_database(before.url(), file);
  const auto restored = restore_database(after.url(), file);
  EXPECT_EQ(restored, told);
  EXPECT_EQ(table_contents(after.url()), table_contents(before.url()));
  const auto message = std::ranges::find(restored, "message", &TableContent::table);
  ASSERT_NE(message, restored.end());
  EXPECT_EQ(message->rows, 1);
  after.db().transaction([](Transaction& t) { EXPECT_EQ(verify_audit(t), 0); });
  EXPECT_ANY_THROW(after.db().transaction([](Transaction& t) { t.exec("UPDATE message SET content = 'x'"); }))
      << "the triggers are back";
}

TEST_F(Backup, OfAnOlderVersionIsReadAndBroughtUpToDate) {
  BareDatabase before;
  make_old(before, 22);
  const auto told = backup_database(before.url(), file);
  TestDatabase after;
  EXPECT_EQ(restore_database(after.url(), file), told) << "over the tables of this version";
  BareDatabase bare;
  EXPECT_EQ(restore_database(bare.url(), file), told) << "where nothing was";
  for (const std::string& url : {after.url(), bare.url()}) {
    PgConnection connection(url);
    EXPECT_EQ(applied_migrations(connection).back().version, 22);
    const auto database = Database::open({DatabaseTarget::Kind::url, url, {}},
                                         {.role = kWebRole, .workspace = kPublicWorkspace, .announce = false});
    EXPECT_EQ(database->schema_version(), embedded_migrations().back().version);
    EXPECT_EQ(database->read([](Transaction& t) { return t.exec("SELECT FROM annotator").size(); }), 1U);
    database->transaction([](Transaction& t) { make_person(t); });
  }
}

TEST_F(Backup, ChangesNothingInAnOlderSchemaAndIsNotMadeOfNothing) {
  BareDatabase old, nothing;
  make_old(old, 22);
  backup_database(old.url(), file);
  PgConnection connection(old.url());
  EXPECT_EQ(applied_migrations(connection).back().version, 22);
  EXPECT_THROW(backup_database(nothing.url(), folder.path() / "b.dump"), NotFound);
  EXPECT_FALSE(fs::exists(folder.path() / "b.dump"));
}

TEST_F(Backup, IsNotReadWhereOtherTablesStand) {
  TestDatabase before;
  backup_database(before.url(), file);
  BareDatabase other;
  PgConnection connection(other.url());
  connection.script("CREATE TABLE invoice (n integer)");
  EXPECT_THROW(restore_database(other.url(), file), Conflict);
  EXPECT_TRUE(connection.exec("SELECT FROM invoice").empty()) << "still there";
}

TEST_F(Backup, KeepsThePasswordOutOfTheArgumentsOfItsTools) {
  const fs::path tools = folder.path() / "tools", said = folder.path() / "said";
  fs::create_directory(tools);
  for (const char* name : {"pg_dump", "pg_restore"}) {
    std::ofstream(tools / name) << "#!/bin/sh\necho \"$*\" >> " << said << "\necho \"$PGPASSWORD\" >> " << said
                                << "\nexec " << find_postgres() / name << " \"$@\"\n";
    fs::permissions(tools / name, fs::perms::owner_all);
  }
  TestDatabase before, after;
  const auto with_password = [](std::string url) { return url + "&password=s3%20cr%27t"; };
  setenv("AFINA_POSTGRES_BIN", tools.c_str(), 1);
  backup_database(with_password(before.url()), file);
  restore_database(with_password(after.url()), file);
  unsetenv("AFINA_POSTGRES_BIN");
  std::istringstream lines(read_file(said.string()));
  for (const char* name : {"pg_dump", "pg_restore"}) {
    std::string arguments, password;
    std::getline(lines, arguments);
    std::getline(lines, password);
    EXPECT_EQ(arguments.find("password"), std::string::npos) << name << " " << arguments;
    EXPECT_NE(arguments.find("--dbname"), std::string::npos) << name;
    EXPECT_EQ(password, "s3 cr't") << name;
  }
}

TEST_F(Backup, IsForItsOwnerOnlyAndWholeOrNotThere) {
  TestDatabase database;
  backup_database(database.url(), file);
  for (const fs::path& path : {file, fs::path(file.string() + ".manifest.json")}) {
    struct stat about {};
    ASSERT_EQ(::stat(path.c_str(), &about), 0) << path;
    EXPECT_EQ(about.st_mode & 0777, 0600U) << path;
  }
  EXPECT_THROW(backup_database(database.url(), file), Conflict) << "never over another file";
  EXPECT_FALSE(fs::exists(file.string() + ".part"));
  const fs::path open = folder.path() / "open";
  fs::create_directory(open);
  fs::permissions(open, fs::perms::all);
  EXPECT_THROW(backup_database(database.url(), open / "x.dump"), UsageError);
  EXPECT_THROW(backup_database(database.url(), folder.path() / "gone" / "x.dump"), NotFound);
}

TEST_F(Backup, SeesOneMomentAndHashesDoNotDependOnTheOrderOfRows) {
  TestDatabase database;
  fill(database);
  const auto first = table_contents(database.url());
  EXPECT_EQ(first, table_contents(database.url()));
  fill(database);
  const auto second = table_contents(database.url());
  const auto of = [](const std::vector<TableContent>& all, const char* name) {
    return *std::ranges::find(all, name, &TableContent::table);
  };
  EXPECT_NE(of(first, "message").sha256, of(second, "message").sha256);
  EXPECT_EQ(of(first, "run").sha256, of(second, "run").sha256);
}

TEST_F(Backup, RefusesADatabaseThatIsNotEmptyAndAFileThatIsNotTheManifests) {
  TestDatabase before, after;
  fill(before);
  backup_database(before.url(), file);
  fill(after);
  const auto there = table_contents(after.url());
  EXPECT_THROW(restore_database(after.url(), file), Conflict);
  EXPECT_EQ(table_contents(after.url()), there);
  TestDatabase empty;
  const auto nothing = table_contents(empty.url());
  std::ofstream(file, std::ios::app) << "x";
  EXPECT_THROW(restore_database(empty.url(), file), DataError);
  fs::remove(file.string() + ".manifest.json");
  EXPECT_THROW(restore_database(empty.url(), file), NotFound);
  EXPECT_THROW(restore_database(empty.url(), folder.path() / "gone"), NotFound);
  EXPECT_EQ(table_contents(empty.url()), nothing);
}

}  // namespace
}  // namespace afina::storage
