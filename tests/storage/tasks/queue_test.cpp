// SPDX-License-Identifier: Apache-2.0
// Exact overlap, leases and places in the queue.
#include <map>
#include <set>
#include <thread>

#include "storage/accounts/accounts.h"
#include "tests/storage/events/listener.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

class TaskQueue : public TaskWorld {
 protected:
  TaskQueue() : TaskWorld(20) {}
};

TEST_F(TaskQueue, EveryItemIsJudgedByExactlyOverlapPeopleUnderSixteenThreads) {
  const std::string id = project(settings(ProjectKind::pairwise, 3));
  add(id, items(10));
  db.transaction([](Transaction& t) { listen(t); });
  std::vector<Worker> people;
  for (int i = 0; i < 16; ++i)
    people.push_back(worker());
  std::atomic<int> handed_in{0};
  {
    std::vector<std::jthread> threads;
    for (const Worker& who : people) {
      threads.emplace_back([&, who] {
        for (;;) {
          const NextTask got = next(id, who, false);
          if (!got.task) return;
          hand_in(graded(*got.task, who, 1));
          ++handed_in;
        }
      });
    }
  }
  EXPECT_EQ(handed_in, 30);
  EXPECT_EQ(count("count(*) FROM item WHERE done_count = 3 AND active_leases = 0"), 10);
  EXPECT_EQ(count("count(*) FROM submission"), 30);
  EXPECT_EQ(count("count(DISTINCT (item_id, account_id)) FROM submission"), 30);
  EXPECT_EQ(count("count(*) FROM preference"), 30) << "each is a vote";
  EXPECT_EQ(count("count(*) FROM project WHERE state = 'finished'"), 1);
  EXPECT_EQ(count("count(*) FROM outbox WHERE type = 'project.finished'"), 1) << "said once";
  EXPECT_EQ(count("count(*) FROM outbox WHERE type = 'task.submitted'"), 30);
}

TEST_F(TaskQueue, ControlWithoutLockAndCheckTheSameCrowdOvershoots) {
  const std::string id = project(settings(ProjectKind::pairwise, 3));
  add(id, items(1));
  sql("ALTER TABLE item DROP CONSTRAINT item_overlap_is_exact");
  std::vector<Worker> people;
  for (int i = 0; i < 16; ++i)
    people.push_back(worker());
  // As peers do it: look, then take. Everybody looks before anybody has taken.
  std::atomic<int> looked{0};
  std::vector<std::jthread> threads;
  for (const Worker& who : people) {
    threads.emplace_back([&, who] {
      db.transaction([&](Transaction& t) {
        const Result open = t.exec("SELECT id FROM item WHERE done_count + active_leases < overlap LIMIT 1");
        ++looked;
        while (looked < 16)
          std::this_thread::yield();
        if (open.empty()) return;
        const std::string item_id = open.one().text("id");
        t.exec("UPDATE item SET active_leases = active_leases + 1 WHERE id = $1::uuid", Params().text(item_id));
        t.exec(
            "INSERT INTO assignment (id, project_id, item_id, account_id, state, phase, lease_until, "
            "shown_order, rendered_at) VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, 'accepted', 'work', "
            "now() + interval '1 hour', '{0,1}', now())",
            Params().text(new_uuid()).text(id).text(item_id).text(who.account_id));
      });
    });
  }
  threads.clear();
  EXPECT_GT(count("active_leases FROM item"), 3) << "the wrong query hands one item to too many";
}

TEST_F(TaskQueue, TheCheckAloneRefusesOnePersonTooMany) {
  const std::string id = project(settings(ProjectKind::pairwise, 3));
  add(id, items(1));
  sql("UPDATE item SET active_leases = 3");
  EXPECT_THROW(sql("UPDATE item SET active_leases = active_leases + 1"), DataError);
  EXPECT_EQ(count("active_leases FROM item"), 3);
}

TEST_F(TaskQueue, TheSameTaskComesAgainAfterAReloadAndOneMayBeLoadedAhead) {
  const std::string id = project(settings());
  add(id, items(5));
  const Worker ana = worker();
  const Task first = *next(id, ana).task;
  EXPECT_EQ(next(id, ana).task->assignment_id, first.assignment_id);
  const Task ahead = *next(id, ana, true).task;
  EXPECT_NE(ahead.item_id, first.item_id);
  EXPECT_EQ(ahead.state, AssignmentState::offered);
  EXPECT_EQ(next(id, ana, true).task->assignment_id, ahead.assignment_id) << "two at most";
  EXPECT_EQ(next(id, ana).task->assignment_id, first.assignment_id);
  hand_in(graded(first, ana, 1));
  const Task second = *next(id, ana).task;
  EXPECT_EQ(second.assignment_id, ahead.assignment_id) << "what was loaded ahead comes on screen";
  EXPECT_EQ(second.state, AssignmentState::accepted);
  EXPECT_EQ(count("count(*) FROM assignment"), 2);
}

TEST_F(TaskQueue, AnExpiredLeaseGivesItsPlaceToSomebodyElse) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(1));
  const Worker ana = worker(), luis = worker();
  const Task task = *next(id, ana).task;
  EXPECT_FALSE(next(id, luis).task) << "the only place is taken";
  let_expire(task);
  const NextTask other = next(id, luis);
  ASSERT_TRUE(other.task);
  EXPECT_EQ(other.task->item_id, task.item_id);
  EXPECT_THROW(hand_in(graded(task, ana, 1)), LeaseLost);
  EXPECT_THROW(db.transaction([&](Transaction& t) {
    return heartbeat(t, {task.assignment_id, kPublicWorkspace, ana.account_id});
  }),
               LeaseLost);
  EXPECT_FALSE(next(id, ana).task) << "no place is left";
  EXPECT_EQ(count("active_leases FROM item"), 1);
  hand_in(graded(*other.task, luis, 1));
  EXPECT_EQ(count("done_count FROM item"), 1);
}

TEST_F(TaskQueue, WhoComesBackGetsTheLostTaskWithItsDraft) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(3));
  const Worker ana = worker();
  const Task task = *next(id, ana).task;
  const WhoseAssignment mine{task.assignment_id, kPublicWorkspace, ana.account_id};
  let_expire(task);
  const PutDraft kept = db.transaction([&](Transaction& t) {
    return put_draft(t, mine, 0, {{"reason", "más claro"}});
  });
  EXPECT_EQ(kept.stored.rev, 1) << "what was typed after the time was up is kept too";
  const Task again = *next(id, ana).task;
  EXPECT_EQ(again.assignment_id, task.assignment_id);
  ASSERT_TRUE(again.draft);
  EXPECT_EQ(again.draft->body.at("reason"), "más claro");
  EXPECT_EQ(count("leases FROM assignment"), 2) << "the row is updated, not doubled";
  hand_in(graded(again, ana, 2));
  EXPECT_EQ(count("count(*) FROM submission"), 1);
}

TEST_F(TaskQueue, AHeartbeatKeepsTheTask) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(1));
  const Worker ana = worker();
  const Task task = *next(id, ana).task;
  sql("UPDATE assignment SET lease_until = clock_timestamp() + interval '2 seconds'");
  const Time until = db.transaction([&](Transaction& t) {
    return heartbeat(t, {task.assignment_id, kPublicWorkspace, ana.account_id});
  });
  EXPECT_GT(until - std::chrono::system_clock::now(), std::chrono::seconds(1000));
}

TEST_F(TaskQueue, SkippingFollowsTheProjectsPolicy) {
  for (const SkipPolicy policy : {SkipPolicy::requeue_for_others, SkipPolicy::requeue_for_me, SkipPolicy::drop}) {
    SCOPED_TRACE(std::string(to_string(policy)));
    ProjectSettings s = settings(ProjectKind::pairwise, 1);
    s.skip = policy;
    const std::string id = project(s);
    add(id, items(2));
    const Worker ana = worker(), luis = worker();
    const Task first = *next(id, ana).task;
    const auto skip = [&](const Task& task) {
      db.transaction([&](Transaction& t) {
        skip_task(t, {task.assignment_id, kPublicWorkspace, ana.account_id}, "no entiendo el idioma");
      });
    };
    skip(first);
    skip(first);  // a repeat changes nothing
    const Task second = *next(id, ana).task;
    EXPECT_NE(second.item_id, first.item_id);
    hand_in(graded(second, ana, 0));
    EXPECT_EQ(next(id, ana).task.has_value(), policy == SkipPolicy::requeue_for_me);
    if (policy == SkipPolicy::requeue_for_me) continue;
    EXPECT_EQ(next(id, luis).task.has_value(), policy == SkipPolicy::requeue_for_others);
  }
  EXPECT_EQ(count("count(*) FROM assignment WHERE skip_reason = 'no entiendo el idioma'"), 3);
  EXPECT_EQ(count("count(*) FROM project WHERE state = 'finished'"), 1) << "the rest of it was dropped";
}

TEST_F(TaskQueue, WhatOpensBehindAPersonsPlaceIsStillFound) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(60));
  const Worker ana = worker(), luis = worker();
  const Task held = *next(id, luis).task;  // the first of the queue
  for (int i = 0; i < 59; ++i)
    hand_in(graded(*next(id, ana).task, ana, 1));
  EXPECT_GT(count("coalesce(max(random_key), 0) FROM queue_place"), 0) << "a place was noted on the way";
  EXPECT_FALSE(next(id, ana).task);
  let_expire(held);
  const NextTask found = next(id, ana);
  ASSERT_TRUE(found.task);
  EXPECT_EQ(found.task->item_id, held.item_id);
}

TEST_F(TaskQueue, UrgentItemsComeFirstAlsoForWhoIsFarInTheQueue) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(40));
  const Worker ana = worker();
  for (int i = 0; i < 33; ++i)
    hand_in(graded(*next(id, ana).task, ana, 1));
  NewItem urgent = item(1000);
  urgent.external_id = "urgente";
  urgent.priority = 9;
  add(id, {urgent});
  const Task task = *next(id, ana).task;
  EXPECT_EQ(count("count(*) FROM item WHERE external_id = 'urgente' AND active_leases = 1"), 1) << task.item_id;
}

TEST_F(TaskQueue, MoreOverlapOpensFinishedItemsForOthers) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(3));
  db.transaction([](Transaction& t) { listen(t); });
  const Worker ana = worker(), luis = worker();
  for (int i = 0; i < 3; ++i)
    hand_in(graded(*next(id, ana).task, ana, 1));
  EXPECT_FALSE(next(id, luis).task);
  EXPECT_EQ(count("count(*) FROM project WHERE state = 'finished'"), 1);
  db.transaction([&](Transaction& t) {
    ProjectChange change;
    change.overlap = 2;
    change_project(t, id, kPublicWorkspace, boss.account_id, change);
  });
  EXPECT_FALSE(next(id, ana).task) << "a person never judges an item twice";
  for (int i = 0; i < 3; ++i)
    hand_in(graded(*next(id, luis).task, luis, 1));
  EXPECT_EQ(count("count(*) FROM item WHERE done_count = 2"), 3);
  EXPECT_EQ(count("count(*) FROM outbox WHERE type = 'project.finished'"), 2);
}

TEST_F(TaskQueue, LessOverlapNeverUndoesWhatWasSaid) {
  const std::string id = project(settings(ProjectKind::pairwise, 3));
  add(id, items(2));
  const Worker ana = worker(), luis = worker();
  const Task task = *next(id, ana).task;
  hand_in(graded(task, ana, 1));
  hand_in(graded(*next(id, luis).task, luis, 1));
  db.transaction([&](Transaction& t) {
    ProjectChange change;
    change.overlap = 1;
    change_project(t, id, kPublicWorkspace, boss.account_id, change);
  });
  EXPECT_EQ(count("sum(done_count)::bigint FROM item"), 2);
  EXPECT_EQ(count("count(*) FROM item WHERE done_count > overlap"), 0);
}

TEST_F(TaskQueue, NobodyGetsMoreThanTheLimitNorAnythingOfAPausedProject) {
  ProjectSettings s = settings();
  s.max_per_annotator = 2;
  const std::string id = project(s);
  add(id, items(5));
  const Worker ana = worker(), luis = worker();
  for (int i = 0; i < 2; ++i)
    hand_in(graded(*next(id, ana).task, ana, 1));
  EXPECT_EQ(next(id, ana).reason, NoTask::capped);
  db.transaction([&](Transaction& t) {
    ProjectChange change;
    change.state = ProjectState::paused;
    change_project(t, id, kPublicWorkspace, boss.account_id, change);
  });
  EXPECT_EQ(next(id, luis).reason, NoTask::paused);
}

TEST_F(TaskQueue, AnotherWorkspacesProjectIsNotFound) {
  const std::string other = db.transaction([](Transaction& t) { return ensure_workspace(t, "otra").id; });
  const std::string id = project(settings());
  add(id, items(1));
  const Worker stranger = worker(other);
  EXPECT_THROW(next(id, stranger, false, 1, other), NotFound);
  EXPECT_THROW(add(id, items(1), new_uuid(), other), NotFound);
  const Worker ana = worker();
  const Task task = *next(id, ana).task;
  EXPECT_THROW(db.transaction([&](Transaction& t) {
    return heartbeat(t, {task.assignment_id, kPublicWorkspace, stranger.account_id});
  }),
               NotFound);
  EXPECT_THROW(db.transaction([&](Transaction& t) {
    return heartbeat(t, {task.assignment_id, other, ana.account_id});
  }),
               NotFound);
}

TEST_F(TaskQueue, ItemsOfPeopleWhoWithdrewLeaveTheQueueAndTheCount) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  const Person writer = db.transaction([](Transaction& t) {
    const Person p = make_person(t);
    make_pair_for(t, p);
    make_pair_for(t, p, "otra pregunta");
    return p;
  });
  const ItemsAdded added = db.transaction([&](Transaction& t) {
    return add_items_from_conversations(t, {id, kPublicWorkspace, boss.account_id, "k", sha256_hex("")}, "", 10);
  });
  EXPECT_EQ(added.added, 2);
  add(id, items(1));
  db.transaction([&](Transaction& t) { withdraw(t, writer.receipt); });
  const Worker ana = worker();
  const Task task = *next(id, ana).task;
  EXPECT_EQ(task.prompt[0].content, item(0).prompt[0].content);
  hand_in(graded(task, ana, 1));
  EXPECT_FALSE(next(id, ana).task);
  EXPECT_EQ(count("count(*) FROM item WHERE closed"), 2);
  EXPECT_EQ(count("count(*) FROM project WHERE state = 'finished'"), 1);
}

TEST_F(TaskQueue, AMemberInvitedForOneProjectGetsNoOther) {
  const std::string mine = project(settings()), other = project(settings());
  add(mine, items(1));
  add(other, items(1));
  const Worker ana = worker();
  sql(cat("UPDATE membership SET project_id = '", mine, "' WHERE account_id = '", ana.account_id, "'"));
  EXPECT_TRUE(next(mine, ana).task);
  EXPECT_THROW(next(other, ana), NotFound);
}

}  // namespace
}  // namespace afina::storage
