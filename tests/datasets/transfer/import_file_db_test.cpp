// SPDX-License-Identifier: Apache-2.0
// Imports that go wrong halfway, and files that become items of a project.
#include "datasets/transfer/import_file.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::datasets {
namespace {

using storage::kPublicWorkspace;
using storage::ProjectKind;
using storage::Transaction;

class ImportFileDb : public storage::TaskWorld {
 protected:
  ImportFileDb() : TaskWorld(4) {}

  static ImportRequest declared(ImportFormat format = ImportFormat::jsonl) {
    ImportRequest request;
    request.format = format;
    request.about.workspace_id = kPublicWorkspace;
    request.about.source = "prueba";
    request.about.licence = request.about.declaration = request.about.actor = "x";
    request.about.purposes = {"train", "review"};
    return request;
  }
  /// Rows `from` to `to`, each a prompt with an answer.
  static std::string rows(int from, int to, const std::string& word = "p") {
    std::string text;
    for (int i = from; i < to; ++i)
      text += cat("{\"prompt\":\"", word, i, "\",\"completion\":\"c\",\"id\":\"", i, "\"}\n");
    return text;
  }
  /// Other bytes at the second opening: somebody wrote to the file after it was hashed.
  static ImportFile changing(const std::string& at_first, const std::string& later) {
    const auto opened = std::make_shared<int>(0);
    return {[=, &at_first, &later] { return memory_source(++*opened == 1 ? at_first : later); }, {}};
  }
  static ImportFile steady(const std::string& text) {
    return {[&text] { return memory_source(text); }, {}};
  }
  std::vector<storage::Import> imports() {
    return db.read([](Transaction& t) { return storage::list_imports(t, kPublicWorkspace, 10); });
  }
};

TEST_F(ImportFileDb, AFileThatChangedAfterItWasHashedIsRefusedAndGoesInWhenItIsGivenAgain) {
  const std::string before = rows(0, 3), other = rows(0, 3, "q"), longer = rows(0, 4), shorter = rows(0, 2);
  for (const std::string& later : {other, longer, shorter, std::string()}) {
    try {
      import_file(db, changing(before, later), declared());
      ADD_FAILURE() << "must refuse " << later;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("changed"), std::string::npos) << error.what();
    }
    EXPECT_EQ(count("count(*) FROM conversation"), 0);
    for (const auto& import : imports())
      EXPECT_FALSE(import.finished);
  }
  const ImportReport whole = import_file(db, steady(before), declared());
  EXPECT_FALSE(whole.repeated) << "the import that was refused does not count as done";
  EXPECT_EQ(whole.counts.conversations, 3) << "the control";
  EXPECT_TRUE(imports().at(0).finished);
}

TEST_F(ImportFileDb, ALongFileThatChangedDoublesNothingWhenItIsGivenAgain) {
  const std::string before = rows(0, 1200), later = rows(0, 1300);
  EXPECT_THROW(import_file(db, changing(before, later), declared()), DataError);
  EXPECT_EQ(count("count(*) FROM conversation"), 1000) << "whole batches had left already; the last one is kept back";
  const ImportReport again = import_file(db, steady(later), declared());
  EXPECT_EQ(again.counts.conversations, 300);
  EXPECT_EQ(again.counts.existing, 1000);
  EXPECT_EQ(count("count(*) FROM conversation"), 1300);
}

TEST_F(ImportFileDb, AParquetFileThatChangedIsRefusedToo) {
  const TempFolder folder;
  const auto write = [&](const std::string& prompt) {
    std::string bytes;
    const auto writer = formats::parquet_writer({{"prompt"}, {"completion"}}, [&](std::string_view piece) {
      bytes += piece;
      return true;
    });
    writer->text(prompt);
    writer->text("c");
    writer->end_row();
    writer->finish();
    write_file_atomic(folder.path() / "x.parquet", bytes);
  };
  write("uno");
  int opened = 0;
  const ImportFile file{[&] {
                          if (++opened == 2) write("dos");
                          return file_source(folder.path() / "x.parquet");
                        },
                        folder.path() / "x.parquet"};
  EXPECT_THROW(import_file(db, file, declared()), DataError);
  EXPECT_EQ(count("count(*) FROM conversation"), 0);
  EXPECT_EQ(import_file(db, file, declared()).counts.conversations, 1) << "the control: nobody writes any more";
}

TEST_F(ImportFileDb, AFileBecomesItemsOfAProjectWholeHoweverShortItIs) {
  const std::string id = project(settings(ProjectKind::rating, 1));
  std::string file;
  for (int i = 0; i < 7; ++i)
    file += cat("{\"prompt\":\"p", i, "\",\"chosen\":\"c\",\"rejected\":\"r\",\"id\":\"", i, "\"}\n");
  auto request = declared();
  request.project_id = id;
  request.account_id = boss.account_id;
  const ImportReport report = import_file(db, steady(file), request);
  EXPECT_EQ(report.items, 7);
  EXPECT_EQ(report.counts.skipped, 7) << "the judgements, which are told";
  EXPECT_EQ(count("count(*) FROM item"), 7);
  EXPECT_EQ(import_file(db, steady(file), request).counts.conversations, 0);
  EXPECT_EQ(count("count(*) FROM item"), 7) << "the same file adds nothing";
}

TEST_F(ImportFileDb, AProjectOfAnotherWorkspaceIsRefusedBeforeAnythingIsWritten) {
  const std::string other = db.transaction([](Transaction& t) { return storage::ensure_workspace(t, "otra").id; });
  auto request = declared();
  request.project_id = project(settings(ProjectKind::rating, 1), other);
  request.account_id = boss.account_id;
  const std::string file = rows(0, 2);
  EXPECT_THROW(import_file(db, steady(file), request), NotFound);
  EXPECT_TRUE(imports().empty());
  EXPECT_EQ(count("count(*) FROM item"), 0);
}

}  // namespace
}  // namespace afina::datasets
