// SPDX-License-Identifier: Apache-2.0
// A workspace with people, a project and items, in few words.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "storage/accounts/accounts.h"
#include "storage/tasks/items.h"
#include "storage/tasks/submissions.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {

struct Worker {
  std::string account_id, visitor_id;
};

class TaskWorld : public ::testing::Test {
 protected:
  explicit TaskWorld(int connections = 8)
      : test({.max_connections = connections, .pool_wait = std::chrono::seconds(30)}) {}

  Worker worker(const std::string& workspace = kPublicWorkspace) {
    return db.transaction([&](Transaction& t) {
      NewAccount account;
      account.name = "persona-" + account.id;
      create_account(t, account);
      add_member(t, workspace, account.id, Role::annotator);
      const Person person = make_person(t, {"train", "review"}, account.annotator_id);
      set_account_visitor(t, account.id, person.visitor_id);
      return Worker{account.id, person.visitor_id};
    });
  }
  ProjectSettings settings(ProjectKind kind = ProjectKind::pairwise, int overlap = 2) {
    ProjectSettings s;
    s.name = "proyecto " + new_uuid();
    s.kind = kind;
    s.overlap = overlap;
    s.guidelines = "# Guía\nElige lo más claro.";
    if (kind == ProjectKind::rating) s.aspects = {Aspect::helpful, Aspect::dialect};
    return s;
  }
  std::string project(const ProjectSettings& s, const std::string& workspace = kPublicWorkspace) {
    return db.transaction([&](Transaction& t) {
      return create_project(t, {new_uuid(), workspace, boss.account_id, s, new_uuid()}).id;
    });
  }
  static NewItem item(int number, int answers = 2) {
    NewItem out;
    out.prompt = {{"user", cat("¿Cuánto es ", number, "+1? ñandú ŋ")}};
    for (int i = 0; i < answers; ++i)
      out.answers.push_back({cat("Respuesta ", i, " a ", number), cat("modelo-", i)});
    return out;
  }
  static std::vector<NewItem> items(int n, int answers = 2) {
    std::vector<NewItem> out;
    for (int i = 0; i < n; ++i)
      out.push_back(item(i, answers));
    return out;
  }
  ItemsAdded add(const std::string& project_id, const std::vector<NewItem>& list, const std::string& key = new_uuid(),
                 const std::string& workspace = kPublicWorkspace) {
    return db.transaction([&](Transaction& t) {
      return add_items(t, {project_id, workspace, boss.account_id, key, sha256_hex(key)}, list);
    });
  }
  NextTask next(const std::string& project_id, const Worker& who, bool ahead = false, double luck = 1,
                const std::string& workspace = kPublicWorkspace) {
    NextRequest request{project_id, workspace, who.account_id, who.visitor_id};
    request.ahead = ahead;
    request.luck = luck;
    request.shuffle = std::hash<std::string>()(request.assignment_id);
    return db.transaction([&](Transaction& t) { return next_task(t, request); });
  }
  /// left_grade: about what stands left.
  NewSubmission graded(const Task& task, const Worker& who, int left_grade, const std::string& key = new_uuid()) {
    NewSubmission s;
    s.whose = {task.assignment_id, kPublicWorkspace, who.account_id};
    s.visitor_id = who.visitor_id;
    s.verdict.outcome = Outcome::graded;
    s.verdict.grade = left_grade;
    s.idempotency_key = key;
    s.body_sha256 = sha256_hex(cat(left_grade));
    return s;
  }
  /// grade: about the item's own order, whatever side it was shown on.
  NewSubmission about_items(const Task& task, const Worker& who, int grade) {
    return graded(task, who, task.shown_order[0] == 0 ? grade : -grade);
  }
  PutSubmission hand_in(const NewSubmission& s) {
    return db.transaction([&](Transaction& t) { return submit(t, s); });
  }
  Task task_of(const std::string& project_id, const Worker& who, double luck = 1) {
    const NextTask got = next(project_id, who, false, luck);
    EXPECT_TRUE(got.task) << to_string(got.reason);
    return got.task.value_or(Task());
  }
  NewSubmission plain(const Task& task, const Worker& who) {
    NewSubmission s = graded(task, who, 0);
    s.verdict = {};
    return s;
  }
  std::vector<ItemView> seen(const std::string& project_id, bool disputed = false) {
    return db.read([&](Transaction& t) {
      return list_items(t, get_project(t, project_id, kPublicWorkspace),
                        disputed ? WhichItems::disputed : WhichItems::all, 50, "");
    });
  }
  int64_t count(const std::string& sql) {
    return db.read([&](Transaction& t) { return t.exec("SELECT (SELECT " + sql + ") AS n").one().integer("n"); });
  }
  void sql(const std::string& script) {
    db.transaction([&](Transaction& t) { t.script(script); });
  }
  /// The person's lease is over, as if nothing was heard of them.
  void let_expire(const Task& task) {
    sql(cat("UPDATE assignment SET lease_until = clock_timestamp() - interval '1 second' WHERE id = '",
            task.assignment_id, "'"));
  }

  TestDatabase test;
  Database& db = test.db();
  Worker boss = worker();
};

}  // namespace afina::storage
