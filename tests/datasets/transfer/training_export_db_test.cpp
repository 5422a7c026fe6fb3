// SPDX-License-Identifier: Apache-2.0
// Training forms out of a real database count what people said as snapshots do: votes that were taken back, verdicts of
// reviewers, attempts, rankings, known answers.
#include "datasets/snapshot.h"
#include "datasets/transfer/import_file.h"
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

constexpr ExportKind kOfPairs[] = {ExportKind::dpo, ExportKind::sft, ExportKind::kto};

class TrainingExport : public storage::TaskWorld {
 protected:
  TrainingExport() : TaskWorld(4) {}

  std::vector<Json> rows(ExportKind kind, storage::ExportFilter filter = {}) {
    return take_out(db, kind, std::move(filter)).rows;
  }
  std::string adjudicate(const std::string& item_id, int grade) {
    storage::NewAdjudication a;
    a.item_id = item_id;
    a.workspace_id = kPublicWorkspace;
    a.account_id = boss.account_id;
    a.verdict.outcome = Outcome::graded;
    a.verdict.grade = grade;
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return db.transaction([&](Transaction& t) { return storage::adjudicate(t, a).id; });
  }
  void allow(const Worker& who, const std::vector<std::string>& purposes) {
    db.transaction([&](Transaction& t) {
      storage::ConsentEvent event;
      event.visitor_id = who.visitor_id;
      event.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
      event.purposes = purposes;
      storage::add_consent_event(t, event);
    });
  }
  storage::Time made_at(const std::string& table) {
    return db.read(
        [&](Transaction& t) { return t.exec(cat("SELECT max(created_at) AS at FROM ", table)).one().time("at"); });
  }
  /// What a snapshot of now makes of the only pair.
  PairRow frozen() {
    SnapshotSpec spec;
    spec.name = new_uuid();
    create_snapshot(db, spec);
    const auto pairs = load_snapshot_pairs(db, spec.name, "train").rows;
    EXPECT_EQ(pairs.size(), 1U);
    return pairs.empty() ? PairRow() : pairs[0];
  }
  void bring(const std::string& text, const std::string& project_id = "") {
    ImportRequest request;
    request.format = ImportFormat::jsonl;
    request.about.workspace_id = kPublicWorkspace;
    request.about.source = request.about.licence = request.about.declaration = request.about.actor = "prueba";
    request.about.purposes = {"train", "review"};
    request.project_id = project_id;
    request.account_id = boss.account_id;
    import_file(db, {[&] { return memory_source(text); }, {}}, request);
  }
  /// How many rows of `sft` come from there.
  int64_t of_origin(const std::string& origin) {
    return std::ranges::count_if(rows(ExportKind::sft), [&](const Json& row) { return row["origin"] == origin; });
  }
  /// Everybody ranks the project's only item.
  void rank(const std::string& project_id, const std::vector<std::vector<int>>& tiers) {
    const Worker who = worker();
    const auto task = task_of(project_id, who);
    auto said = plain(task, who);
    storage::TaskVerdict positions;
    positions.tiers = tiers;
    said.verdict = as_shown(positions, task.shown_order);
    hand_in(said);
  }
};

TEST_F(TrainingExport, AVoteThatWasTakenBackElsewhereIsInNoFileOfItsProject) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(1));
  const Worker ana = worker();
  hand_in(about_items(task_of(id, ana), ana, 3));
  const storage::ExportFilter of_project{.project_id = id};
  for (const ExportKind kind : kOfPairs)
    EXPECT_FALSE(rows(kind, of_project).empty()) << "the control: " << to_string(kind);
  EXPECT_EQ(rows(ExportKind::judgements, of_project).at(0)["superseded"], false);
  db.transaction([&](Transaction& t) {
    const std::string vote = t.exec("SELECT id FROM preference").one().text("id");
    storage::retract_preference(t, vote, ana.visitor_id, "undo");
  });
  for (const ExportKind kind : kOfPairs)
    EXPECT_TRUE(rows(kind, of_project).empty()) << to_string(kind);
  const auto said = rows(ExportKind::judgements, of_project);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0]["superseded"], true);
}

TEST_F(TrainingExport, AVoteThatWasCorrectedInAnotherProjectIsInThatOnesFilesAlone) {
  db.transaction([&](Transaction& t) { storage::make_pair_for(t, storage::make_person(t)); });
  const Worker ana = worker();
  std::vector<std::string> ids;
  for (const int grade : {3, -3}) {
    ids.push_back(project(settings(ProjectKind::pairwise, 2)));
    db.transaction([&](Transaction& t) {
      const std::string key = new_uuid();
      storage::add_items_from_conversations(t, {ids.back(), kPublicWorkspace, boss.account_id, key, sha256_hex(key)},
                                            "", 10);
    });
    hand_in(about_items(task_of(ids.back(), ana), ana, grade));
  }
  EXPECT_TRUE(rows(ExportKind::dpo, {.project_id = ids[0]}).empty()) << "she changed her mind in the second one";
  const auto second = rows(ExportKind::dpo, {.project_id = ids[1]});
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0]["chosen"][0]["content"], "No lo sé.");
}

TEST_F(TrainingExport, AVerdictStandsWithoutTheVotesThatItTookThePlaceOf) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(1));
  std::string item;
  for (int i = 0; i < 2; ++i) {
    const Worker who = worker();
    const auto task = task_of(id, who);
    item = task.item_id;
    hand_in(about_items(task, who, 2));
    allow(who, {"review"});
  }
  EXPECT_TRUE(rows(ExportKind::dpo).empty()) << "the control: neither allows training";
  adjudicate(item, -3);
  const auto dpo = rows(ExportKind::dpo);
  ASSERT_EQ(dpo.size(), 1U);
  EXPECT_EQ(dpo[0]["chosen"][0]["content"], "Respuesta 1 a 0");
  EXPECT_TRUE(dpo[0]["preference_ids"].empty());
  EXPECT_EQ(dpo[0]["soft_label"], frozen().soft_label);
  EXPECT_EQ(rows(ExportKind::kto).size(), 2U);
  EXPECT_EQ(rows(ExportKind::sft).size(), 1U);
  EXPECT_TRUE(rows(ExportKind::judgements).empty()) << "their votes stay away";
  allow(boss, {"review"});
  EXPECT_TRUE(rows(ExportKind::dpo).empty()) << "nor does the reviewer any more";
}

TEST_F(TrainingExport, ANewVerdictOnOlderVotesIsInTheNextFile) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(1));
  std::string item;
  for (int i = 0; i < 2; ++i) {
    const Worker who = worker();
    const auto task = task_of(id, who);
    item = task.item_id;
    hand_in(about_items(task, who, 2));
  }
  adjudicate(item, -3);
  const storage::ExportFilter next{.since = made_at("adjudication")};
  const auto dpo = rows(ExportKind::dpo, next);
  ASSERT_EQ(dpo.size(), 1U);
  EXPECT_EQ(dpo[0]["chosen"][0]["content"], "Respuesta 1 a 0");
  EXPECT_EQ(dpo[0]["soft_label"], frozen().soft_label) << "it speaks for both";
  EXPECT_TRUE(rows(ExportKind::judgements, next).empty()) << "their votes are older";
  EXPECT_TRUE(rows(ExportKind::dpo, {.since = made_at("adjudication") + std::chrono::seconds(1)}).empty());
}

TEST_F(TrainingExport, ARewriteOfAPairThatNobodyVotedOnIsInTheNextFile) {
  const auto write = [&] {
    db.transaction([](Transaction& t) {
      const auto ana = storage::make_person(t);
      storage::Rewrite rewrite;
      rewrite.exposure_id = storage::make_pair_for(t, ana).exposure.id;
      rewrite.visitor_id = ana.visitor_id;
      rewrite.text = "En la oficina, de 9 a 14 h.";
      rewrite.idempotency_key = new_uuid();
      storage::put_rewrite(t, rewrite);
    });
  };
  write();
  write();
  const storage::ExportFilter next{.since = made_at("rewrite")};
  EXPECT_EQ(rows(ExportKind::dpo).size(), 4U) << "the control: each beats both answers";
  EXPECT_EQ(rows(ExportKind::dpo, next).size(), 2U);
  EXPECT_EQ(rows(ExportKind::sft, next).size(), 1U);
}

TEST_F(TrainingExport, AnAttemptThatNobodyJudgedTakesNoWeight) {
  db.transaction([](Transaction& t) {
    const auto ana = storage::make_person(t);
    auto shown = storage::make_pair_for(t, ana);  // she asked for another attempt instead of judging
    for (storage::Generation* answer : {&shown.a, &shown.b}) {
      answer->id = new_uuid();
      answer->attempt = 1;
      answer->text += " De 9 a 14 h.";
      storage::append_generation(t, *answer);
    }
    storage::Exposure exposure;
    exposure.pair_id = storage::create_pair(t, shown.a.id, shown.b.id).id;
    exposure.visitor_id = ana.visitor_id;
    storage::put_preference(t, storage::vote_on(storage::create_exposure(t, exposure), 2));
  });
  const auto dpo = rows(ExportKind::dpo);
  ASSERT_EQ(dpo.size(), 1U);
  EXPECT_EQ(dpo[0]["weight"], 1.0);
  EXPECT_EQ(dpo[0]["weight"], frozen().weight);
  for (const Json& row : rows(ExportKind::kto))
    EXPECT_EQ(row["weight"], 1.0);
  EXPECT_EQ(of_origin("chosen"), 1);
}

// The control: what one ranking says weighs one together, and only its best is imitated.
TEST_F(TrainingExport, ThePairsOfAFilesRankingShareOneWeight) {
  bring(R"({"prompt":"¿a?","completions":["x","y","z"]})");
  const auto dpo = rows(ExportKind::dpo);
  ASSERT_EQ(dpo.size(), 3U);
  for (const Json& row : dpo)
    EXPECT_DOUBLE_EQ(row["weight"].get<double>(), 1.0 / 3);
  EXPECT_EQ(of_origin("chosen"), 0);
  EXPECT_EQ(of_origin("ranked_first"), 1);
}

TEST_F(TrainingExport, ARankingOfTwoIsImitatedOnce) {
  bring(R"({"prompt":"¿a?","completions":["x","y"]})");
  EXPECT_EQ(rows(ExportKind::dpo).at(0)["weight"], 1.0);
  const auto sft = rows(ExportKind::sft);
  ASSERT_EQ(sft.size(), 1U);
  EXPECT_EQ(sft[0]["completion"][0]["content"], "x");
}

TEST_F(TrainingExport, VotesAfterTheNamesWereShownAddNothingToAVerdict) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(1));
  const Worker ana = worker(), luis = worker();
  const auto task = task_of(id, ana);
  hand_in(about_items(task, ana, 2));
  db.transaction([&](Transaction& t) {
    const auto vote = t.exec("SELECT id, exposure_id FROM preference");
    auto exposure = storage::get_exposure(t, vote.one().text("exposure_id"), ana.visitor_id);
    exposure = storage::reveal_exposure(t, exposure.id, ana.visitor_id);
    auto changed = storage::vote_on(exposure, -1);
    changed.supersedes_id = vote.one().text("id");
    storage::put_preference(t, changed);
  });
  hand_in(about_items(task_of(id, luis), luis, 2));
  adjudicate(task.item_id, 3);
  const Exported dpo = take_out(db, ExportKind::dpo);
  ASSERT_EQ(dpo.rows.size(), 1U);
  EXPECT_EQ(dpo.rows[0]["soft_label"], frozen().soft_label);
  EXPECT_DOUBLE_EQ(dpo.rows[0]["soft_label"].get<double>(), (0.5 + 0.95) / 2) << "it speaks for one blind vote";
  EXPECT_EQ(dpo.report.left_out.at("settled_by_a_reviewer"), 1);
  EXPECT_EQ(dpo.report.left_out.at("not_blind"), 1);
}

TEST_F(TrainingExport, OfARankingWhoseBestAreTiedNoneIsImitated) {
  const std::string tied = project(settings(ProjectKind::ranking, 1)),
                    clear = project(settings(ProjectKind::ranking, 1));
  add(tied, {item(1, 3)});
  add(clear, {item(2, 3)});
  rank(tied, {{0, 1}, {2}});
  rank(clear, {{2}, {0, 1}});
  const Exported sft = take_out(db, ExportKind::sft);
  ASSERT_EQ(sft.rows.size(), 1U);
  EXPECT_EQ(sft.rows[0]["completion"][0]["content"], "Respuesta 2 a 2");
  EXPECT_EQ(sft.report.left_out.at("tied_for_first"), 1);
  EXPECT_EQ(take_out(db, ExportKind::rankings).report.left_out.at("with_ties"), 2);
}

TEST_F(TrainingExport, OnlyAFilesOwnRepliesAreDemonstrations) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  storage::NewItem known = item(1), work = item(2);
  for (storage::NewItem* one : {&known, &work})
    one->prompt = {{"user", "¿Y?"}, {"assistant", "Según se mire."}, {"user", "¿Cómo?"}};
  known.gold = Json{{"outcome", 3}};
  add(id, {known, work});
  const std::string file =
      R"({"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],)"
      R"("chosen":[{"role":"assistant","content":"d"}],"rejected":[{"role":"assistant","content":"e"}]})";
  bring(file, id);
  EXPECT_EQ(count("count(*) FROM item"), 3);
  EXPECT_EQ(of_origin("demonstration"), 0);
  bring(file);
  EXPECT_EQ(of_origin("demonstration"), 1) << "the control: a file that is no project's";
}

}  // namespace
}  // namespace afina::datasets
