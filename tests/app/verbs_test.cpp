// SPDX-License-Identifier: Apache-2.0
// The `afina` program as a person meets it: verbs over an empty database, and what it says to bad input.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/cat.h"
#include "storage/accounts/accounts.h"
#include "storage/transaction.h"
#include "tests/app/run_program.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_database.h"

namespace afina::app {
namespace {

Answer afina_program(const std::string& arguments) {
  return run_program("afina", arguments);
}

class Verbs : public ::testing::Test {
 protected:
  std::string database() const { return cat("--database '", test_.url(), "' "); }
  storage::TestDatabase test_;
};

TEST_F(Verbs, SayWhatToDoNextWhereThereIsNothing) {
  for (const char* verb : {"snapshot list", "runs list", "adapters list"}) {
    const Answer answer = afina_program(database() + verb);
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_NE(answer.text.find("afina "), std::string::npos) << verb << " names no next command: " << answer.text;
  }
}

TEST_F(Verbs, WriteJsonForMachines) {
  for (const char* verb : {"snapshot list --json", "runs list --json", "adapters list --json"}) {
    const Answer answer = afina_program(database() + verb);
    EXPECT_EQ(answer.code, 0);
    // The log goes to stderr, which the pipe joins: the JSON is what begins a line with a bracket.
    EXPECT_NE(answer.text.find("\n[]\n"), std::string::npos) << answer.text;
  }
}

TEST_F(Verbs, RefuseASnapshotOfNothing) {
  const Answer answer = afina_program(database() + "snapshot create --name empty");
  EXPECT_EQ(answer.code, 3) << answer.text;
  EXPECT_NE(answer.text.find("must"), std::string::npos) << answer.text;
}

TEST_F(Verbs, KeepWorkspacesApartUnlessTold) {
  const storage::TestFolder folder;
  const std::string verb = database() + "export-data --out " + (folder.path() / "rows.jsonl").string();
  test_.db().transaction([](storage::Transaction& t) { storage::ensure_workspace(t, "otra"); });
  const Answer mixed = afina_program(verb);
  EXPECT_EQ(mixed.code, 2) << mixed.text;
  EXPECT_NE(mixed.text.find("--workspace"), std::string::npos) << mixed.text;
  EXPECT_EQ(afina_program(verb + " --workspace ninguna").code, 1);
  EXPECT_EQ(afina_program(verb + " --workspace otra --all-workspaces").code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "rows.jsonl"));
  EXPECT_EQ(afina_program(verb + " --workspace otra").code, 0);
  EXPECT_EQ(afina_program(verb + "2 --all-workspaces").code, 0);
  EXPECT_EQ(afina_program(verb + "3 --all-workspaces --since 2026-02-30").code, 2);
}

TEST_F(Verbs, NameWhatIsNotThere) {
  for (const char* verb : {"snapshot show nobody", "runs show nobody", "adapters show nobody"}) {
    const Answer answer = afina_program(database() + verb);
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_NE(answer.text.find("nobody"), std::string::npos) << answer.text;
  }
}

TEST_F(Verbs, RefuseToTrainOnASnapshotThatIsNotThereAndWriteNothing) {
  const TempFolder folder;
  const std::string out = (folder.path() / "run").string();
  const Answer answer =
      afina_program(database() + "dpo --model " + smollm2_gguf().string() + " --snapshot nobody --out " + out);
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(VerbsWithoutDatabase, RefuseBadArgumentsWithTwo) {
  EXPECT_EQ(afina_program("dance").code, 2);
  EXPECT_EQ(afina_program("").code, 2);
  const TempFolder folder;
  const std::string data = (folder.path() / "rows.jsonl").string();
  std::ofstream(data) << "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
  const Answer answer = afina_program("--database none sft --model " + smollm2_gguf().string() + " --data " + data +
                                      " --out " + (folder.path() / "run").string() + " --set learning_rat=1");
  EXPECT_EQ(answer.code, 2) << answer.text;
  EXPECT_NE(answer.text.find("\"learning_rate\""), std::string::npos) << answer.text;
}

TEST(VerbsWithoutDatabase, AMisspeltPathStartsNoDatabase) {
  const TempFolder folder;
  setenv("AFINA_HOME", (folder.path() / "home").c_str(), 1);
  const Answer answer =
      afina_program("sft --model nosuch.gguf --data rows.jsonl --out " + (folder.path() / "run").string());
  unsetenv("AFINA_HOME");
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_NE(answer.text.find("\"nosuch.gguf\""), std::string::npos) << answer.text;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(VerbsWithoutDatabase, NameTheLineOfBadData) {
  const TempFolder folder;
  const std::string data = (folder.path() / "rows.jsonl").string();
  std::ofstream(data) << "{\"prompt\":\"a\",\"completion\":\"b\"}\nnot json\n";
  const Answer answer = afina_program("--database none sft --model " + smollm2_gguf().string() + " --data " + data +
                                      " --out " + (folder.path() / "run").string());
  EXPECT_EQ(answer.code, 3) << answer.text;
  EXPECT_NE(answer.text.find("rows.jsonl:2"), std::string::npos) << answer.text;
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run" / "adapter"));
}

}  // namespace
}  // namespace afina::app
