// SPDX-License-Identifier: Apache-2.0
// The next step, once round the loop.
#include <gtest/gtest.h>

#include "gui/view_model/next_action.h"
#include "tests/gui/fake_source.h"

namespace afina::gui {
namespace {

NextAction next(const LoopData& loop) {
  return next_action(loop, Catalogue(Language::en));
}

LoopData with_snapshot() {
  LoopData loop = fake_loop();
  loop.runs = {};
  loop.adapters = {};
  loop.arena = {};
  loop.votes.outside_newest_snapshot = 0;
  return loop;
}

// A DPO run on the newest snapshot is done, its adapter is registered.
LoopData with_adapter() {
  LoopData loop = with_snapshot();
  loop.runs = fake_loop().runs;
  loop.runs.running = 0;
  loop.runs.newest_state = "finished";
  loop.adapters = fake_loop().adapters;
  return loop;
}

TEST(NextAction, AnEmptyDatabaseAsksForConversations) {
  const NextAction action = next({});
  EXPECT_EQ(action.kind, ActionKind::collect);
  EXPECT_EQ(action.stage, Stage::conversations);
  EXPECT_NE(action.command.find("afina-collector"), std::string::npos);
}

TEST(NextAction, ConversationsWithoutVotesAskForVotes) {
  LoopData loop;
  loop.conversations.conversations = 12;
  EXPECT_EQ(next(loop).kind, ActionKind::vote);
  EXPECT_NE(next(loop).sentence.find("12"), std::string::npos);
}

TEST(NextAction, VotesWithoutASnapshotAskForOne) {
  LoopData loop = with_snapshot();
  loop.snapshots = {};
  EXPECT_EQ(next(loop).kind, ActionKind::take_snapshot);
  EXPECT_NE(next(loop).sentence.find("1\u202F128"), std::string::npos);
}

TEST(NextAction, ASnapshotWithoutARunAsksForTrainingOnIt) {
  const NextAction action = next(with_snapshot());
  EXPECT_EQ(action.kind, ActionKind::train);
  EXPECT_NE(action.command.find("--snapshot " + with_snapshot().snapshots.newest_name), std::string::npos);
}

TEST(NextAction, ARunOnItsWayIsWatched) {
  EXPECT_EQ(next(fake_loop()).kind, ActionKind::watch_run);
  EXPECT_NE(next(fake_loop()).sentence.find("312 of 600"), std::string::npos);
}

TEST(NextAction, AFailedRunSaysWhyAndHowToResume) {
  LoopData loop = with_adapter();
  loop.runs.newest_state = "failed";
  loop.runs.newest_error = "disk full";
  EXPECT_EQ(next(loop).kind, ActionKind::resume_run);
  EXPECT_NE(next(loop).sentence.find("disk full"), std::string::npos);
  EXPECT_NE(next(loop).command.find("--resume"), std::string::npos);
}

TEST(NextAction, AnUnjudgedAdapterGoesIntoTheArena) {
  EXPECT_EQ(next(with_adapter()).kind, ActionKind::serve_adapter);
  EXPECT_EQ(next(with_adapter()).stage, Stage::arena);
}

TEST(NextAction, FewArenaVotesAskForMore) {
  LoopData loop = with_adapter();
  loop.arena = fake_loop().arena;
  loop.arena.votes = loop.arena.wins = kLeastArenaVotes - 1;
  EXPECT_EQ(next(loop).kind, ActionKind::judge_adapter);
}

TEST(NextAction, AWinnerIsNamedOnlyWhereTheWholeIntervalIsAboveOneHalf) {
  LoopData loop = with_adapter();
  loop.arena = fake_loop().arena;
  EXPECT_EQ(next(loop).kind, ActionKind::publish_or_more);
  loop.arena.losses = 95;
  EXPECT_EQ(next(loop).kind, ActionKind::rethink);
}

TEST(NextAction, ManyNewVotesAskForAnotherSnapshot) {
  LoopData loop = with_adapter();
  loop.votes.outside_newest_snapshot = loop.snapshots.newest_rows / 5 - 1;
  EXPECT_NE(next(loop).kind, ActionKind::take_snapshot);
  loop.votes.outside_newest_snapshot = loop.snapshots.newest_rows / 5;
  EXPECT_EQ(next(loop).kind, ActionKind::take_snapshot);
}

TEST(NextAction, NamesFromPeopleStayOneWordOfTheShell) {
  EXPECT_EQ(shell_word("runs/dpo-nov-12"), "runs/dpo-nov-12");
  EXPECT_EQ(shell_word("a; rm -rf ~"), "'a; rm -rf ~'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
  LoopData loop = with_snapshot();
  loop.snapshots.newest_name = "nov $(reboot)";
  EXPECT_NE(next(loop).command.find("--snapshot 'nov $(reboot)' --out"), std::string::npos);
}

}  // namespace
}  // namespace afina::gui
