// SPDX-License-Identifier: Apache-2.0
// What ends with a consent in tasks: the verdicts that were given under it, the texts that somebody holds, what is
// typed.
#include <utility>

#include "storage/people.h"
#include "storage/tasks/adjudication.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

class TaskConsent : public TaskWorld {
 protected:
  void withdraw_person(const std::string& visitor_id) {
    db.transaction([&](Transaction& t) { withdraw_visitor(t, visitor_id); });
  }
  void allow(const std::string& visitor_id, std::vector<std::string> purposes) {
    db.transaction([&](Transaction& t) {
      ConsentEvent event;
      event.visitor_id = visitor_id;
      event.text_id = ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
      event.purposes = std::move(purposes);
      add_consent_event(t, event);
    });
  }
  /// The same account under another consent.
  void consent_anew(Worker& who) {
    db.transaction([&](Transaction& t) {
      const Person person = make_person(t, {"train", "review"}, get_account(t, who.account_id).annotator_id);
      set_account_visitor(t, who.account_id, person.visitor_id);
      who.visitor_id = person.visitor_id;
    });
  }
  NewAdjudication verdict_on(const std::string& item_id, const Worker& who) {
    NewAdjudication a;
    a.item_id = item_id;
    a.workspace_id = kPublicWorkspace;
    a.account_id = who.account_id;
    a.note = "más claro";
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return a;
  }
  NewAdjudication graded_on(const std::string& item_id, const Worker& who, int grade) {
    NewAdjudication a = verdict_on(item_id, who);
    a.verdict.outcome = Outcome::graded;
    a.verdict.grade = grade;
    return a;
  }
  PutAdjudication decide(const NewAdjudication& a) {
    return db.transaction([&](Transaction& t) { return adjudicate(t, a); });
  }
  /// Two people part on a new project's only item.
  std::string disputed_pair(std::string& item) {
    const std::string id = project(settings(ProjectKind::pairwise, 2));
    add(id, items(1));
    for (const int grade : {3, -3}) {
      const Worker who = worker();
      const Task task = task_of(id, who);
      item = task.item_id;
      hand_in(about_items(task, who, grade));
    }
    return id;
  }
  /// A project of so many pairs of somebody's own conversations.
  std::string of_conversations(Person& writer, int pairs, int overlap = 1) {
    const std::string id = project(settings(ProjectKind::pairwise, overlap));
    writer = db.transaction([&](Transaction& t) {
      const Person p = make_person(t);
      for (int i = 0; i < pairs; ++i)
        make_pair_for(t, p, cat("pregunta ", i));
      return p;
    });
    db.transaction([&](Transaction& t) {
      add_items_from_conversations(t, {id, kPublicWorkspace, boss.account_id, "k", sha256_hex("")}, "", 10);
    });
    return id;
  }
  Time still_here(const Task& task, const Worker& who) {
    return db.transaction([&](Transaction& t) {
      return heartbeat(t, {task.assignment_id, kPublicWorkspace, who.account_id});
    });
  }
};

TEST_F(TaskConsent, AVerdictFallsWithTheConsentItWasGivenUnder) {
  std::string item;
  const std::string id = disputed_pair(item);
  Worker reviewer = worker();
  decide(graded_on(item, reviewer, 1));
  ASSERT_TRUE(seen(id, true).empty());
  withdraw_person(boss.visitor_id);
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 1) << "the control: others may go";
  withdraw_person(reviewer.visitor_id);
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 0);
  EXPECT_FALSE(seen(id)[0].adjudication) << "neither the verdict nor the note";
  ASSERT_EQ(seen(id, true).size(), 1U) << "nobody has decided";
  EXPECT_THROW(decide(graded_on(item, reviewer, 2)), NotFound) << "who withdrew judges no more";
  EXPECT_EQ(count("count(*) FROM adjudication"), 1);
  consent_anew(reviewer);
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 0) << "what was taken back does not come back";
  EXPECT_EQ(seen(id, true).size(), 1U);
  decide(graded_on(item, reviewer, -1));
  EXPECT_EQ(count("count(*) FROM standing_adjudication WHERE grade = -1"), 1);
  EXPECT_TRUE(seen(id, true).empty());
}

TEST_F(TaskConsent, OfEveryKindOfItemAReviewersWithdrawalReopensTheDispute) {
  const Worker reviewer = worker();
  for (const ProjectKind kind :
       {ProjectKind::ranking, ProjectKind::rating, ProjectKind::rewrite, ProjectKind::flagging}) {
    const std::string id = project(settings(kind, 2));
    add(id, items(1));
    NewAdjudication verdict;
    for (int i = 0; i < 2; ++i) {
      const Worker who = worker();
      const Task task = task_of(id, who);
      NewSubmission said = plain(task, who);
      TaskVerdict about;
      if (kind == ProjectKind::ranking)
        about.tiers = i == 0 ? std::vector<std::vector<int>>{{0}, {1}} : std::vector<std::vector<int>>{{1}, {0}};
      if (kind == ProjectKind::rating) about.ratings = {{0, Aspect::helpful, i == 0 ? 1 : 5}};
      said.verdict = as_shown(about, task.shown_order);
      if (kind == ProjectKind::rewrite) said.rewrite = cat("manera ", i);
      if (kind == ProjectKind::flagging && i == 0) said.flags.push_back({0, FlagKind::toxic, ""});
      const std::string submission = hand_in(said).id;
      verdict = verdict_on(task.item_id, reviewer);
      verdict.verdict.tiers = about.tiers;
      verdict.verdict.ratings = about.ratings;
      verdict.flags_given = kind == ProjectKind::flagging;
      if (kind == ProjectKind::rewrite) verdict.submission_id = submission;
    }
    ASSERT_EQ(seen(id, true).size(), 1U) << to_string(kind);
    decide(verdict);
    ASSERT_TRUE(seen(id, true).empty()) << to_string(kind);
  }
  withdraw_person(reviewer.visitor_id);
  EXPECT_EQ(count("count(*) FROM item WHERE disputed"), 4);
}

TEST_F(TaskConsent, WhoNeverConsentedMayDecide) {
  std::string item;
  const std::string id = disputed_pair(item);
  const Worker staff = worker();
  sql(cat("UPDATE account SET visitor_id = NULL WHERE id = '", staff.account_id, "'"));
  decide(graded_on(item, staff, 1));
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 1);
  EXPECT_TRUE(seen(id, true).empty());
}

TEST_F(TaskConsent, TextsLeaveTheHandsOfWhoHoldsThemWhenTheirWriterWithdraws) {
  Person writer;
  const std::string id = of_conversations(writer, 2);
  const Worker ana = worker();
  const Task task = *next(id, ana).task;
  ASSERT_TRUE(next(id, ana, true).task) << "one more is loaded ahead";
  EXPECT_NO_THROW(still_here(task, ana)) << "the control";
  withdraw_person(writer.visitor_id);
  EXPECT_THROW(still_here(task, ana), LeaseLost);
  EXPECT_FALSE(next(id, ana).task);
  EXPECT_EQ(count("count(*) FROM assignment WHERE state = 'skipped'"), 2);
  EXPECT_EQ(count("sum(active_leases) FROM item"), 0) << "the places are given back";
  EXPECT_EQ(count("sum(skipped) FROM participation"), 0) << "the person skipped nothing";
}

TEST_F(TaskConsent, TextsLeaveTheHandsOfWhoHoldsThemWhenReviewIsRevokedAndComeBackWithIt) {
  Person writer;
  const std::string id = of_conversations(writer, 1);
  const Worker ana = worker();
  add(id, items(1));
  std::string own = next(id, ana).task->assignment_id;
  if (count(cat("count(*) FROM assignment a JOIN item i ON i.id = a.item_id WHERE i.source = 'import' AND a.id = '",
                own, "'")) > 0) {
    hand_in(graded(*next(id, ana).task, ana, 1));
    own = next(id, ana).task->assignment_id;
  }
  allow(writer.visitor_id, {"train"});
  const NextTask other = next(id, ana);
  EXPECT_TRUE(!other.task || other.task->assignment_id != own);
  for (const ItemView& view : seen(id)) {
    if (view.source != ItemSource::conversations) continue;
    EXPECT_TRUE(view.prompt.empty()) << "reviewers are shown nothing of it either";
    EXPECT_TRUE(view.answers.empty());
  }
  allow(writer.visitor_id, {"train", "review"});
  const Worker luis = worker();
  bool found = false;
  while (const auto got = next(id, luis).task) {
    found |= got->prompt[0].content == "pregunta 0";
    hand_in(graded(*got, luis, 1));
  }
  EXPECT_TRUE(found) << "the place is there for others";
}

TEST_F(TaskConsent, ItemsOfAFileAreGivenOnlyWhereItsOwnerAllowsReview) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(1));
  EXPECT_TRUE(next(id, worker()).task) << "the control";
  const std::string owner = db.read([](Transaction& t) {
    return t.exec("SELECT visitor_id FROM conversation WHERE source = 'import'").one().text("visitor_id");
  });
  allow(owner, {"train"});
  EXPECT_FALSE(next(id, worker()).task);
  EXPECT_TRUE(seen(id)[0].prompt.empty());
}

TEST_F(TaskConsent, NothingIsKeptOfWhatIsTypedAfterAWithdrawal) {
  const std::string id = project(settings());
  add(id, items(1));
  const Worker ana = worker();
  const Task task = task_of(id, ana);
  const WhoseAssignment whose{task.assignment_id, kPublicWorkspace, ana.account_id};
  const auto type = [&](int rev, const std::string& words) {
    db.transaction([&](Transaction& t) { put_draft(t, whose, rev, {{"reason", words}}); });
  };
  type(0, "antes");
  withdraw_person(ana.visitor_id);
  EXPECT_EQ(count("count(*) FROM draft"), 0);
  EXPECT_THROW(type(0, "después"), NotFound);
  EXPECT_THROW(db.transaction([&](Transaction& t) { skip_task(t, whose, "mi vecina lo sabe"); }), NotFound);
  EXPECT_EQ(count("count(*) FROM draft"), 0);
  EXPECT_EQ(count("count(*) FROM assignment WHERE skip_reason <> '' OR state = 'skipped'"), 0);
}

}  // namespace
}  // namespace afina::storage
