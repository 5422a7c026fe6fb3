// SPDX-License-Identifier: Apache-2.0
// A restore is the same database, proven by rows and hashes; what could mislead is refused.
#include "storage/events/backup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "storage/audit.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;

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
