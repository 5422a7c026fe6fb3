// SPDX-License-Identifier: Apache-2.0
// A vote cast in a task leaves among the other votes with all that was said beside it.
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::datasets {
namespace {

using storage::Aspect;
using storage::Task;
using storage::Worker;

class TaskVoteExport : public storage::TaskWorld {
 protected:
  TaskVoteExport() : TaskWorld(4) {
    auto asked = settings();
    asked.aspects = {Aspect::dialect};
    project_id = project(asked);
    add(project_id, items(2));
  }
  std::vector<Json> votes() { return take_out(db, ExportKind::judgements).rows; }

  std::string project_id;
};

TEST_F(TaskVoteExport, carries_the_aspects_flags_spans_and_language_of_its_submission) {
  const Worker ana = worker();
  const Task task = task_of(project_id, ana);
  auto said = about_items(task, ana, 2);
  said.reason = "Por ŋ";
  said.reason_language = "gn";
  said.verdict.ratings = {{0, Aspect::dialect, 4}, {1, Aspect::dialect, 2}};
  said.flags = {{1, storage::FlagKind::hallucination, "inventa " + kWords}};
  said.spans = {{0, 0, 9, "good", "bien " + kWords}};
  hand_in(said);

  const auto rows = votes();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].at("reason_language"), "gn");
  ASSERT_EQ(rows[0].at("aspects").size(), 2U) << rows[0].dump();
  ASSERT_EQ(rows[0].at("flags").size(), 1U) << rows[0].dump();
  EXPECT_EQ(rows[0].at("flags")[0].at("note"), "inventa " + kWords);
  ASSERT_EQ(rows[0].at("spans").size(), 1U) << rows[0].dump();
  EXPECT_EQ(rows[0].at("spans")[0].at("note"), "bien " + kWords);
  EXPECT_EQ(take_parquet(db, ExportKind::judgements).rows[0].at("flags"), rows[0].at("flags"));
}

// The control: what was said of one vote stands with no other.
TEST_F(TaskVoteExport, leaves_a_vote_bare_of_which_nothing_more_was_said) {
  const Worker ana = worker(), beto = worker();
  const Task first = task_of(project_id, ana), second = task_of(project_id, beto);
  auto said = about_items(first, ana, 1);
  said.flags = {{0, storage::FlagKind::toxic, ""}};
  hand_in(said);
  hand_in(about_items(second, beto, -1));

  const auto rows = votes();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("flags").size() + rows[1].at("flags").size(), 1U);
  for (const Json& row : rows)
    EXPECT_EQ(row.at("flags").size(), row.at("grade") == 1 ? 1U : 0U) << row.dump();
}

}  // namespace
}  // namespace afina::datasets
