// SPDX-License-Identifier: Apache-2.0
// What annotators handed in, out of a real database: each kind of project whole, and nothing of anybody who went.
#include <functional>
#include <regex>

#include "storage/audit.h"
#include "storage/events/retention.h"
#include "storage/people.h"
#include "storage/tasks/adjudication.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::datasets {
namespace {

using storage::kPublicWorkspace;
using storage::Outcome;
using storage::Params;
using storage::ProjectKind;
using storage::Transaction;
using storage::Worker;

class RawExport : public storage::TaskWorld {
 protected:
  RawExport() : TaskWorld(4) {}

  static storage::NewItem wordy_item(int answers) {
    storage::NewItem out = item(1, answers);
    out.external_id = "fila-1";
    out.prompt = {{"system", "Sé breve. " + kWords}, {"user", kWords}};
    for (auto& answer : out.answers)
      answer.text += kWords;
    return out;
  }
  storage::Task task_of(const std::string& project_id, const Worker& who, double luck = 1) {
    const auto got = next(project_id, who, false, luck);
    EXPECT_TRUE(got.task) << to_string(got.reason);
    return got.task.value_or(storage::Task());
  }
  /// Everything a person can say, about sides; the verdict that the kind needs is the caller's.
  storage::NewSubmission wordy(const storage::Task& task, const Worker& who, const std::string& words = kWords) {
    storage::NewSubmission s = graded(task, who, 0);
    s.verdict = {};
    s.reason = "Porque " + words;
    s.reason_language = "es-CL";
    s.rewrite = "Mejor así: " + words;
    s.confidence = 3;
    s.ms_to_decide = 4321;
    s.spans = {{0, 0, 2, "bad", words}};
    s.flags = {{static_cast<int>(task.shown_order.size()) - 1, storage::FlagKind::hallucination, words}};
    return s;
  }
  /// One person's vote on the first open pair of a pairwise project.
  std::string vote(const std::string& project_id, const Worker& who, const std::string& words = kWords) {
    const auto task = task_of(project_id, who);
    auto said = wordy(task, who, words);
    said.verdict = about_items(task, who, 2).verdict;
    return hand_in(said).id;
  }
  std::string pairs_project(int overlap = 2, int n = 1) {
    const std::string id = project(settings(ProjectKind::pairwise, overlap));
    add(id, items(n));
    return id;
  }
  std::vector<Json> submissions(storage::ExportFilter filter = {}) {
    return take_out(db, ExportKind::submissions, std::move(filter)).rows;
  }
  Json one(const std::string& sql, const std::string& id) {
    return db.read([&](Transaction& t) {
      return t.exec(cat("SELECT to_json(x) AS row FROM (", sql, ") x"), Params().text(id)).one().json("row");
    });
  }
  std::string adjudicate(const std::string& item_id, const Worker& reviewer, int grade) {
    storage::NewAdjudication a;
    a.item_id = item_id;
    a.workspace_id = kPublicWorkspace;
    a.account_id = reviewer.account_id;
    a.verdict.outcome = Outcome::graded;
    a.verdict.grade = grade;
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return db.transaction([&](Transaction& t) { return storage::adjudicate(t, a).id; });
  }
  void withdraw(const Worker& who) {
    db.transaction([&](Transaction& t) { storage::withdraw_visitor(t, who.visitor_id); });
  }
  std::string last_audit() {
    return db.read([](Transaction& t) {
      return t.exec("SELECT row FROM audit_event ORDER BY number DESC LIMIT 1").one().text("row");
    });
  }

  /// What the row must say apart from the verdict, from what was asked, said and stored.
  Json expected(const storage::Task& task, const storage::NewItem& item, const storage::NewSubmission& said) {
    const Json stored =
        one("SELECT s.*, p.name, i.conversation_id AS talk, to_char(s.created_at AT TIME ZONE 'UTC', "
            "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at FROM submission s JOIN item i ON i.id = s.item_id "
            "JOIN project p ON p.id = s.project_id WHERE s.id = $1::uuid",
            said.id);
    Json prompt = Json::array(), answers = Json::array();
    for (const auto& m : item.prompt)
      prompt.push_back({{"role", m.role}, {"content", m.content}});
    for (size_t i = 0; i < item.answers.size(); ++i)
      answers.push_back(
          {{"position", i}, {"text", item.answers[i].text}, {"model", item.answers[i].model}, {"adapter", nullptr}});
    return {{"submission_id", said.id},
            {"project_id", task.project_id},
            {"project", stored["name"]},
            {"item_id", task.item_id},
            {"external_id", item.external_id},
            {"conversation_id", stored["talk"]},
            {"locale", task.locale},
            {"kind", to_string(task.kind)},
            {"phase", "work"},
            {"source", "web"},
            {"prompt", prompt},
            {"answers", answers},
            {"shown_order", task.shown_order},
            {"shown_layout", nullptr},
            {"shown_width_px", nullptr},
            {"shown_height_px", nullptr},
            {"outcome", nullptr},
            {"grade", nullptr},
            {"tiers", nullptr},
            {"aspects", Json::array()},
            {"flags",
             {{{"position", task.shown_order.back()}, {"kind", "hallucination"}, {"note", said.flags.at(0).note}}}},
            {"spans",
             {{{"position", task.shown_order.front()},
               {"kind", "bad"},
               {"start", 0},
               {"end", 2},
               {"note", said.spans.at(0).text}}}},
            {"rewrite", said.rewrite},
            {"reason", said.reason},
            {"reason_language", "es-CL"},
            {"confidence", 3},
            {"ms_to_decide", 4321},
            {"ms_on_screen", stored["ms_on_screen"]},
            {"hasty", true},
            {"correct", nullptr},
            {"guidelines_version", 1},
            {"created_at", stored["at"]},
            {"preference_id", stored["preference_id"]},
            {"adjudication_id", nullptr},
            {"purposes", {"train", "review"}}};
  }

  /// One submission of a project of that kind, through both forms. verdict: sets what is said, about sides, and what
  /// the row must say of it.
  void expect_whole(ProjectKind kind, int answers,
                    const std::function<void(const storage::Task&, storage::TaskVerdict&, Json&)>& verdict) {
    const std::string id = project(settings(kind, 1));
    const auto given = wordy_item(answers);
    add(id, {given});
    const Worker ana = worker();
    const auto task = task_of(id, ana);
    auto said = wordy(task, ana);
    Json changed = Json::object();
    verdict(task, said.verdict, changed);
    hand_in(said);
    Json want = expected(task, given, said);
    want.update(changed);
    EXPECT_EQ(want["preference_id"].is_null(), kind != ProjectKind::pairwise);
    std::vector<Json> lines = submissions({.project_id = id});
    std::vector<Json> table = take_parquet(db, ExportKind::submissions, {.project_id = id}).rows;
    for (auto* rows : {&lines, &table}) {
      ASSERT_EQ(rows->size(), 1U);
      const std::string name = rows->at(0)["annotator"];
      EXPECT_TRUE(std::regex_match(name, std::regex("[0-9a-f]{32}"))) << name;
      rows->at(0).erase("annotator");
      EXPECT_EQ(rows->at(0), want);
    }
  }
};

TEST_F(RawExport, AVoteOnAPairIsWhole) {
  expect_whole(ProjectKind::pairwise, 2, [](const storage::Task& task, storage::TaskVerdict& said, Json& row) {
    said.outcome = Outcome::graded;
    said.grade = 2;
    said.ratings = {{1, storage::Aspect::clarity, 5}};
    row = {{"outcome", "graded"},
           {"grade", task.shown_order[0] == 0 ? 2 : -2},
           {"aspects", {{{"position", task.shown_order[1]}, {"aspect", "clarity"}, {"value", 5}}}}};
  });
}

TEST_F(RawExport, APairThatCannotBeJudgedHasNoGrade) {
  expect_whole(ProjectKind::pairwise, 2, [](const storage::Task&, storage::TaskVerdict& said, Json& row) {
    said.outcome = Outcome::cannot_judge;
    row["outcome"] = "cannot_judge";
  });
}

TEST_F(RawExport, ARankingIsWholeWithItsTies) {
  expect_whole(ProjectKind::ranking, 4, [](const storage::Task& task, storage::TaskVerdict& said, Json& row) {
    said.tiers = {{2}, {0, 3}, {1}};
    const auto at = [&](size_t side) { return task.shown_order[side]; };
    row["tiers"] = {{at(2)}, {std::min(at(0), at(3)), std::max(at(0), at(3))}, {at(1)}};
  });
}

TEST_F(RawExport, ARatingIsWhole) {
  expect_whole(ProjectKind::rating, 2, [](const storage::Task& task, storage::TaskVerdict& said, Json& row) {
    said.ratings = {
        {0, storage::Aspect::helpful, 1}, {0, storage::Aspect::dialect, 4}, {1, storage::Aspect::helpful, 5}};
    const auto rating = [&](size_t side, const char* aspect, int value) {
      return Json{{"position", task.shown_order[side]}, {"aspect", aspect}, {"value", value}};
    };
    // Of each answer in the order of the aspects' names; the answers in the order of their ids, which is theirs.
    const std::vector<Json> left{rating(0, "dialect", 4), rating(0, "helpful", 1)};
    const Json right = rating(1, "helpful", 5);
    row["aspects"] = task.shown_order[0] == 0 ? Json{left[0], left[1], right} : Json{right, left[0], left[1]};
  });
}

TEST_F(RawExport, AFlaggingIsWhole) {
  expect_whole(ProjectKind::flagging, 1, [](const storage::Task&, storage::TaskVerdict&, Json&) {});
}

TEST_F(RawExport, ARewriteIsWhole) {
  expect_whole(ProjectKind::rewrite, 1, [](const storage::Task&, storage::TaskVerdict&, Json&) {});
}

TEST_F(RawExport, TrainingGoldAndWorkAreToldApart) {
  auto s = settings(ProjectKind::pairwise, 1);
  s.training_items = 1;
  s.gold_rate = 0.5;
  const std::string id = project(s);
  auto training = item(1), gold = item(2);
  training.training = true;
  training.gold = gold.gold = Json{{"outcome", 2}};
  add(id, {training, gold, item(3)});
  const Worker ana = worker();
  for (const double luck : {1.0, 0.0, 1.0}) {
    const auto task = task_of(id, ana, luck);
    hand_in(about_items(task, ana, task.phase == storage::Phase::gold ? -2 : 2));
  }
  const auto rows = submissions();
  ASSERT_EQ(rows.size(), 3U);
  std::map<std::string, Json> correct;
  for (const Json& row : rows) {
    correct[row["phase"]] = row["correct"];
    EXPECT_EQ(row["preference_id"].is_null(), row["phase"] != "work") << "what is known is no vote";
    EXPECT_EQ(row["reason"], "");
    EXPECT_TRUE(row["rewrite"].is_null() && row["confidence"].is_null() && row["external_id"].is_null());
  }
  EXPECT_EQ(correct, (std::map<std::string, Json>{{"training", true}, {"gold", false}, {"work", nullptr}}));
}

TEST_F(RawExport, AReviewersVerdictIsNamedWhileItStands) {
  const std::string id = pairs_project(2);
  const Worker reviewer = worker();
  for (int i = 0; i < 2; ++i)
    vote(id, worker());
  const std::string item_id = submissions().at(0)["item_id"];
  const auto named = [&] {
    Json names = Json::array();
    for (const Json& row : submissions())
      names.push_back(row["adjudication_id"]);
    return names;
  };
  EXPECT_EQ(named(), (Json{nullptr, nullptr})) << "the control";
  const std::string first = adjudicate(item_id, reviewer, 1);
  EXPECT_EQ(named(), (Json{first, first}));
  const std::string second = adjudicate(item_id, reviewer, -1);
  EXPECT_EQ(named(), (Json{second, second})) << "the last of the line stands";
  withdraw(reviewer);
  EXPECT_EQ(named(), (Json{nullptr, nullptr})) << "as in dpo, where the votes count again";
}

TEST_F(RawExport, WhoWithdrawsIsOutAtOnceAndTheOthersStay) {
  const std::string id = pairs_project(2);
  const Worker ana = worker(), bea = worker();
  const std::string of_ana = vote(id, ana), of_bea = vote(id, bea);
  ASSERT_EQ(submissions().size(), 2U);
  withdraw(ana);
  const auto rows = submissions();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["submission_id"], of_bea);
}

TEST_F(RawExport, WhatWasSaidAboutAWritersTextsGoesWithTheWriter) {
  storage::Person owner;
  db.transaction([&](Transaction& t) {
    owner = storage::make_person(t);
    storage::make_pair_for(t, owner, "¿Quién soy? " + kWords);
  });
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  const std::string key = new_uuid();
  db.transaction([&](Transaction& t) {
    storage::add_items_from_conversations(t, {id, kPublicWorkspace, boss.account_id, key, sha256_hex(key)}, "", 10);
  });
  vote(id, worker());
  const auto before = submissions();
  ASSERT_EQ(before.size(), 1U) << "the control";
  EXPECT_EQ(before[0]["prompt"][0]["content"], "¿Quién soy? " + kWords);
  db.transaction([&](Transaction& t) { storage::withdraw(t, owner.receipt); });
  EXPECT_TRUE(submissions().empty());
}

TEST_F(RawExport, FiltersNarrowByPurposeProjectLanguageAndTime) {
  const std::string id = pairs_project(1), other = pairs_project(1);
  const Worker ana = worker();
  vote(id, ana);
  vote(other, ana);
  const std::string locale = submissions().at(0)["locale"];
  EXPECT_EQ(submissions({.project_id = id}).size(), 1U);
  EXPECT_EQ(submissions({.project_id = new_uuid()}).size(), 0U);
  sql("UPDATE conversation SET locale = 'es-CL' WHERE id = (SELECT min(conversation_id::text)::uuid FROM item)");
  EXPECT_EQ(submissions({.locale = "es-CL"}).size(), 1U) << locale;
  EXPECT_EQ(submissions({.locale = "es"}).size(), locale == "es" ? 2U : 1U);
  EXPECT_EQ(submissions({.locale = "pt"}).size(), 0U);
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(submissions({.since = now + std::chrono::hours(1)}).size(), 0U);
  EXPECT_EQ(submissions({.since = now - std::chrono::hours(1)}).size(), 2U);
  EXPECT_EQ(submissions({.purpose = "publish"}).size(), 0U) << "she allows train and review";
  db.transaction([&](Transaction& t) {
    storage::ConsentEvent event;
    event.visitor_id = ana.visitor_id;
    event.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
    event.purposes = {"review"};
    storage::add_consent_event(t, event);
  });
  EXPECT_EQ(submissions().size(), 0U) << "the newest consent holds";
  EXPECT_EQ(submissions({.purpose = "review"}).size(), 2U);
}

TEST_F(RawExport, AnotherWorkspaceSeesNothingByQueryNorByRowSecurity) {
  vote(pairs_project(1), worker());
  const std::string other = db.transaction([](Transaction& t) { return storage::ensure_workspace(t, "otra").id; });
  EXPECT_EQ(submissions({.workspace_id = kPublicWorkspace}).size(), 1U);
  EXPECT_EQ(submissions({.workspace_id = other}).size(), 0U) << "by the query";
  storage::DatabaseOptions options;
  options.role = storage::kWebRole;
  options.announce = false;
  const auto web = storage::Database::open(test.target(), options);
  const auto seen = [&](storage::ExportFilter filter) {
    return take_out(*web, ExportKind::submissions, std::move(filter)).rows.size();
  };
  EXPECT_EQ(seen({.workspace_id = kPublicWorkspace}), 1U);
  EXPECT_EQ(seen({.workspace_id = other}), 0U);
  const storage::WorkspaceScope scope(other);
  EXPECT_EQ(seen({}), 0U) << "by row security alone: the query asks for every workspace";
}

TEST_F(RawExport, AFileWithoutRowsIsAFile) {
  for (const ExportKind kind : {ExportKind::submissions, ExportKind::notes}) {
    const Exported lines = take_out(db, kind), table = take_parquet(db, kind);
    EXPECT_EQ(lines.bytes, "");
    EXPECT_EQ(table.bytes.substr(0, 4), "PAR1");
    EXPECT_TRUE(table.bytes.ends_with("PAR1"));
    EXPECT_TRUE(table.rows.empty());
  }
}

TEST_F(RawExport, AReceiverThatGivesUpEndsTheFileAndTheNextOneIsWhole) {
  const std::string id = project(settings(ProjectKind::rewrite, 40));
  add(id, {item(1, 1)});
  for (int i = 0; i < 40; ++i) {
    const Worker who = worker();
    auto said = wordy(task_of(id, who), who);
    said.rewrite = std::string(30'000, 'x');
    hand_in(said);
  }
  for (const ExportForm form : {ExportForm::jsonl, ExportForm::parquet}) {
    ExportRequest request;
    request.kind = ExportKind::submissions;
    request.form = form;
    request.actor = "test";
    int pieces = 0;
    const auto report = export_data(db, request, [&](std::string_view) { return ++pieces < 2; });
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(pieces, 2) << "nothing is offered after the no";
    const std::string audit = last_audit();
    EXPECT_NE(audit.find("submissions"), std::string::npos);
    EXPECT_NE(audit.find("\"complete\":false"), std::string::npos) << audit;
  }
  EXPECT_EQ(submissions().size(), 40U);
  EXPECT_EQ(take_parquet(db, ExportKind::submissions).rows.size(), 40U);
}

TEST_F(RawExport, AnAuditRowKeepsWhatWasTakenAndTheNameIsTheFilesOwn) {
  vote(pairs_project(1), worker());
  const Exported out = take_out(db, ExportKind::submissions, {.locale = "es"});
  const std::string row = last_audit();
  EXPECT_NE(row.find("submissions"), std::string::npos);
  EXPECT_NE(row.find(out.report.sha256), std::string::npos);
  EXPECT_NE(row.find(out.report.salt_sha256), std::string::npos);
  const auto again = submissions();
  EXPECT_NE(again.at(0)["annotator"], submissions().at(0)["annotator"]) << "a salt a file";
}

}  // namespace
}  // namespace afina::datasets
