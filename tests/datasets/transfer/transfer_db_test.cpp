// SPDX-License-Identifier: Apache-2.0
// Files in and files out of a real database: what comes twice, what was withdrawn, what must survive.
#include <gtest/gtest.h>

#include "datasets/rows.h"
#include "datasets/transfer/import_file.h"
#include "storage/accounts/accounts.h"
#include "storage/audit.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/fixtures.h"

namespace afina::datasets {
namespace {

using storage::kPublicWorkspace;
using storage::Transaction;

ImportReport bring(storage::Database& db, ImportFormat format, const std::string& text,
                   const std::string& source = "prueba",
                   std::vector<std::string> purposes = {"train", "review", "publish"}) {
  ImportRequest request;
  request.format = format;
  request.about.workspace_id = kPublicWorkspace;
  request.about.source = source;
  request.about.licence = "CC-BY-4.0";
  request.about.declaration = "Whoever wrote this allows it.";
  request.about.purposes = std::move(purposes);
  request.about.locale = "es";
  request.about.actor = "test";
  return import_file(db, {[&] { return memory_source(text); }, {}}, request);
}

// What is said, without ids, times and pseudonyms, in an order that does not depend on them.
std::vector<std::string> said(const std::vector<Json>& rows) {
  std::vector<std::string> out;
  for (Json row : rows) {
    for (const char* name :
         {"judgement_id", "pair_id", "conversation_id", "annotator", "annotators", "supersedes_id", "created_at",
          "preference_ids", "source", "purposes", "ranking_id", "adapter_a", "adapter_b", "leak_a", "leak_b"})
      row.erase(name);
    out.push_back(dump_json(row));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Three people judge one pair, one corrects herself, one takes it back; with ratings, flags, spans and a rewrite.
void fill(storage::Database& db) {
  db.transaction([](Transaction& t) {
    const auto owner = storage::make_person(t, {"train", "review", "publish"});
    const auto shown = storage::make_pair_for(t, owner, kWords);
    auto first = storage::vote_on(shown.exposure, 3);
    first.reason = kWords;
    first.confidence = 4;
    first.ms_to_decide = 1234;
    storage::put_preference(t, first);
    auto second = storage::vote_on(shown.exposure, -1);
    second.supersedes_id = first.id;
    storage::put_preference(t, second);
    const auto visitor = storage::get_visitor(t, owner.visitor_id);
    storage::put_details(t, {second.id, owner.visitor_id, visitor.annotator_id},
                         {.aspects = {{shown.a.id, storage::Aspect::dialect, 2}},
                          .flags = {{shown.b.id, storage::FlagKind::hallucination, kWords}},
                          .spans = {{shown.a.id, 0, 2, "bad", kWords}},
                          .reason_language = "es-CL"});
    for (const int grade : {2, 1}) {
      const auto other = storage::make_person(t, {"train", "publish"});
      storage::Exposure e;
      e.pair_id = shown.pair.id;
      e.visitor_id = other.visitor_id;
      e.a_on_left = grade == 1;
      const auto exposure = storage::create_exposure(t, e);
      auto vote = storage::vote_on(exposure, grade);
      storage::put_preference(t, vote);
      if (grade == 1) storage::retract_preference(t, vote.id, other.visitor_id, "undo");
      if (grade != 2) continue;
      storage::Rewrite rewrite;
      rewrite.exposure_id = exposure.id;
      rewrite.visitor_id = other.visitor_id;
      rewrite.text = "Mejor así: " + kWords;
      rewrite.idempotency_key = "rw";
      storage::put_rewrite(t, rewrite);
    }
  });
}

TEST(Transfer, judgements_that_are_exported_and_imported_say_the_same) {
  storage::TestDatabase from, to;
  fill(from.db());
  const Exported first = take_out(from.db(), ExportKind::judgements);
  ASSERT_EQ(first.rows.size(), 5U);
  const ImportReport report = bring(to.db(), ImportFormat::jsonl, first.bytes);
  EXPECT_EQ(report.counts.skipped, 0) << (report.skipped.empty() ? "" : report.skipped[0].why);
  EXPECT_EQ(report.counts.conversations, 1);
  EXPECT_EQ(report.counts.judgements, 5);
  const Exported second = take_out(to.db(), ExportKind::judgements);
  EXPECT_EQ(said(second.rows), said(first.rows));
}

TEST(Transfer, dpo_rows_come_back_with_every_grade) {
  storage::TestDatabase from, to;
  fill(from.db());
  const Exported first = take_out(from.db(), ExportKind::dpo);
  ASSERT_EQ(first.rows.size(), 3U) << "the pair, and the rewrite against both";
  EXPECT_EQ(first.rows[0]["grades"].size(), 2U);
  const ImportReport report = bring(to.db(), ImportFormat::jsonl, first.bytes);
  EXPECT_EQ(report.counts.skipped, 0);
  const Exported second = take_out(to.db(), ExportKind::dpo);
  const auto words = [](const Exported& file) {
    std::vector<Json> rows = file.rows;
    for (Json& row : rows)
      for (const char* name : {"chosen_model", "rejected_model"})
        row.erase(name);
    return said(rows);
  };
  EXPECT_EQ(words(second), words(first));
}

TEST(Transfer, afina_reads_its_own_training_files) {
  storage::TestDatabase test;
  fill(test.db());
  bring(test.db(), ImportFormat::jsonl,
        "{\"prompt\":\"¿a?\",\"completions\":[\"x\",\"y\",\"z\"]}\n{\"prompt\":\"¿b?\",\"completion\":\"w\"}\n"
        "{\"prompt\":\"¿c?\",\"completion\":\"v\",\"label\":true}\n");
  const TempFolder folder;
  const auto write = [&](ExportKind kind) {
    const auto path = folder.path() / (std::string(to_string(kind)) + ".jsonl");
    write_file_atomic(path, take_out(test.db(), kind).bytes);
    return path;
  };
  const auto pairs = read_pair_rows(write(ExportKind::dpo));
  EXPECT_EQ(pairs.size(), 6U);
  EXPECT_NEAR(pairs[0].soft_label, (0.5 + 0.30 + 0.85) / 3.0, 1e-12);
  double weights = 0;
  for (const PairRow& row : pairs)
    weights += std::holds_alternative<PairChat>(row.form) && std::get<PairChat>(row.form).prompt[0].content == "¿a?"
                   ? row.weight
                   : 0;
  EXPECT_NEAR(weights, 1.0, 1e-12) << "a ranking of three weighs 2/(3·2) a pair";
  EXPECT_EQ(read_ranking_rows(write(ExportKind::rankings)).size(), 1U);
  EXPECT_EQ(read_unpaired_rows(write(ExportKind::kto)).size(), 9U);
  EXPECT_EQ(read_sft_rows(write(ExportKind::sft)).size(), 4U) << "chosen, rewrite, best of the ranking, demonstration";
}

TEST(Transfer, of_two_answers_with_the_same_words_none_is_better) {
  storage::TestDatabase test;
  bring(test.db(), ImportFormat::jsonl,
        R"({"prompt":"p","chosen":"igual","rejected":"igual"})"
        "\n"
        R"({"prompt":"q","chosen":"uno","rejected":"otro"})");
  EXPECT_EQ(take_out(test.db(), ExportKind::judgements).rows.size(), 2U) << "what was said is kept";
  for (const ExportKind kind : {ExportKind::dpo, ExportKind::kto}) {
    const Exported file = take_out(test.db(), kind);
    EXPECT_EQ(file.rows.size(), kind == ExportKind::dpo ? 1U : 2U);
    EXPECT_EQ(file.report.left_out.at("same_answer"), 1);
  }
  const Exported imitated = take_out(test.db(), ExportKind::sft);
  ASSERT_EQ(imitated.rows.size(), 1U);
  EXPECT_EQ(imitated.rows[0]["completion"][0]["content"], "uno");
}

TEST(Transfer, the_reason_of_a_ranking_comes_in_once) {
  storage::TestDatabase test;
  const ImportReport report =
      bring(test.db(), ImportFormat::argilla,
            R"([{"id":"1","fields":{"prompt":"p","response-1":"a","response-2":"b","response-3":"c"},)"
            R"("responses":{"orden":[{"user_id":"u","status":"submitted","value":[{"value":"response-2","rank":1},)"
            R"({"value":"response-1","rank":2},{"value":"response-3","rank":3}]}],)"
            R"("motivo":[{"user_id":"u","status":"submitted","value":"La segunda es clara"}]}}])");
  EXPECT_EQ(report.counts.skipped, 0) << (report.skipped.empty() ? "" : report.skipped[0].why);
  std::vector<std::string> reasons;
  for (const Json& row : take_out(test.db(), ExportKind::judgements).rows) {
    if (row["reason"].is_string() && row["reason"] != "") reasons.push_back(row["reason"]);
  }
  EXPECT_EQ(reasons, std::vector<std::string>{"La segunda es clara"});
}

TEST(Transfer, a_file_given_twice_adds_nothing_and_a_longer_one_only_what_is_new) {
  storage::TestDatabase test;
  const std::string row = R"({"prompt":"p","chosen":"c","rejected":"r","annotator":"ana","id":"1"})"
                          "\n";
  const ImportReport first = bring(test.db(), ImportFormat::jsonl, row + "nada\n");
  EXPECT_EQ(first.counts.conversations, 1);
  EXPECT_EQ(first.counts.answers, 2);
  EXPECT_EQ(first.counts.judgements, 1);
  EXPECT_EQ(first.counts.skipped, 1);
  const ImportReport again = bring(test.db(), ImportFormat::jsonl, row + "nada\n");
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.counts.conversations + again.counts.answers + again.counts.judgements, 0);
  const std::string other = R"({"prompt":"p2","chosen":"c","rejected":"r","annotator":"ana"})";
  const ImportReport longer = bring(test.db(), ImportFormat::jsonl, row + other);
  EXPECT_EQ(longer.counts.conversations, 1);
  EXPECT_EQ(longer.counts.judgements, 1);
  EXPECT_EQ(longer.counts.existing, 2);
  const Exported out = take_out(test.db(), ExportKind::judgements);
  ASSERT_EQ(out.rows.size(), 2U);
  EXPECT_EQ(out.rows[0]["annotator"], out.rows[1]["annotator"]) << "one person in both files";
  EXPECT_EQ(bring(test.db(), ImportFormat::jsonl, row, "otra fuente").counts.conversations, 1);
}

TEST(Transfer, an_import_that_was_cut_off_goes_on_when_the_file_is_given_again) {
  storage::TestDatabase test;
  std::string text;
  for (int i = 0; i < 1200; ++i)
    text += cat("{\"prompt\":\"p", i, "\",\"completion\":\"c\"}\n");
  ImportRequest request;
  request.about.workspace_id = kPublicWorkspace;
  request.about.source = "s";
  request.about.licence = request.about.declaration = request.about.actor = "x";
  request.about.purposes = {"train"};
  struct Broken final : ByteSource {
    explicit Broken(std::string_view text) : inner(memory_source(text)) {}
    size_t read(char* buffer, size_t size) override {
      if (++reads > 1) throw StorageError("[test] cut off.");
      return inner->read(buffer, std::min<size_t>(size, 30'000));
    }
    std::unique_ptr<ByteSource> inner;
    int reads = 0;
  };
  int opened = 0;
  const ImportFile breaking{[&]() -> std::unique_ptr<ByteSource> {
                              if (++opened == 1) return memory_source(text);
                              return std::make_unique<Broken>(text);
                            },
                            {}};
  EXPECT_THROW(import_file(test.db(), breaking, request), StorageError);
  const ImportReport whole = import_file(test.db(), {[&] { return memory_source(text); }, {}}, request);
  EXPECT_FALSE(whole.repeated);
  EXPECT_GT(whole.counts.existing, 0);
  EXPECT_EQ(whole.counts.conversations + whole.counts.existing, 1200);
  const auto list = test.db().read([](Transaction& t) { return storage::list_imports(t, kPublicWorkspace, 10); });
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(list[0].finished);
  EXPECT_EQ(list[0].counts.conversations, 1200);
}

TEST(Transfer, nobody_without_the_purpose_and_nothing_withdrawn_is_in_a_file) {
  storage::TestDatabase test;
  storage::Person owner, judge;
  storage::Shown shown;
  test.db().transaction([&](Transaction& t) {
    owner = storage::make_person(t, {"train", "review"});
    judge = storage::make_person(t, {"review"});
    shown = storage::make_pair_for(t, owner);
    storage::put_preference(t, storage::vote_on(shown.exposure, 2));
    storage::Exposure e;
    e.pair_id = shown.pair.id;
    e.visitor_id = judge.visitor_id;
    storage::put_preference(t, storage::vote_on(storage::create_exposure(t, e), -3));
  });
  const Exported train = take_out(test.db(), ExportKind::judgements);
  ASSERT_EQ(train.rows.size(), 1U) << "the judge allows review only";
  EXPECT_EQ(train.rows[0]["grade"], 2);
  EXPECT_TRUE(take_out(test.db(), ExportKind::judgements, {.purpose = "publish"}).rows.empty());
  EXPECT_TRUE(take_out(test.db(), ExportKind::conversations, {.purpose = "publish"}).rows.empty());
  test.db().transaction([&](Transaction& t) {
    storage::ConsentEvent event;
    event.visitor_id = owner.visitor_id;
    event.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
    event.purposes = {"review"};
    storage::add_consent_event(t, event);
  });
  EXPECT_TRUE(take_out(test.db(), ExportKind::judgements).rows.empty()) << "the newest consent holds";
  test.db().transaction([&](Transaction& t) { storage::withdraw(t, owner.receipt); });
  for (const ExportKind kind : kEveryKind)
    for (const char* purpose : {"train", "review", "publish"})
      EXPECT_TRUE(take_out(test.db(), kind, {.purpose = purpose}).rows.empty());
}

TEST(Transfer, an_import_is_taken_back_by_its_receipt) {
  storage::TestDatabase test;
  const ImportReport report =
      bring(test.db(), ImportFormat::jsonl, R"({"prompt":"p","chosen":"c","rejected":"r","annotator":"ana"})");
  ASSERT_EQ(take_out(test.db(), ExportKind::dpo).rows.size(), 1U);
  test.db().transaction([&](Transaction& t) { storage::withdraw(t, report.receipt_code); });
  EXPECT_TRUE(take_out(test.db(), ExportKind::dpo).rows.empty());
}

TEST(Transfer, a_withdrawal_during_an_export_changes_the_next_file_and_not_half_of_this_one) {
  storage::TestDatabase test;
  std::vector<storage::Person> people;
  test.db().transaction([&](Transaction& t) {
    people.clear();
    for (int i = 0; i < 1500; ++i) {
      people.push_back(storage::make_person(t));
      storage::put_preference(
          t, storage::vote_on(storage::make_pair_for(t, people.back(), std::string(400, 'x')).exposure, 1));
    }
  });
  ExportRequest request;
  request.actor = "test";
  int pieces = 0;
  const ExportReport report = export_data(test.db(), request, [&](std::string_view) {
    if (++pieces == 1) test.db().transaction([&](Transaction& t) { storage::withdraw(t, people.back().receipt); });
    return true;
  });
  EXPECT_GT(pieces, 2) << "the withdrawal must have happened midway";
  EXPECT_EQ(report.rows, 1500);
  EXPECT_EQ(take_out(test.db(), ExportKind::judgements).rows.size(), 1499U);
}

TEST(Transfer, a_number_that_no_reader_can_hold_does_not_stop_an_export) {
  storage::TestDatabase test;
  fill(test.db());
  test.db().transaction([](Transaction& t) {
    t.exec(
        "INSERT INTO generation (id, conversation_id, turn, slot, attempt, model, params, text) SELECT $1::uuid, id, "
        "1, 5, 0, "
        "'m', '{\"t\": 1e400}', 'x' FROM conversation LIMIT 1",
        storage::Params().text(new_uuid()));
  });
  const Exported out = take_out(test.db(), ExportKind::conversations);
  ASSERT_EQ(out.rows.size(), 1U);
  EXPECT_NE(out.bytes.find(std::string(400, '0')), std::string::npos);
  EXPECT_EQ(out.rows[0]["answers"].size(), 3U);
  EXPECT_EQ(take_out(test.db(), ExportKind::judgements).rows.size(), 5U);
}

TEST(Transfer, an_export_leaves_an_audit_row_without_names) {
  storage::TestDatabase test;
  fill(test.db());
  const Exported out = take_out(test.db(), ExportKind::judgements);
  const std::string row = test.db().read([](Transaction& t) {
    EXPECT_EQ(storage::verify_audit(t), 0);
    return t.exec("SELECT row FROM audit_event ORDER BY number DESC LIMIT 1").one().text("row");
  });
  EXPECT_NE(row.find(out.report.sha256), std::string::npos);
  EXPECT_NE(row.find("judgements"), std::string::npos);
  EXPECT_NE(out.rows[0]["annotator"], take_out(test.db(), ExportKind::judgements).rows[0]["annotator"])
      << "a salt an export";
}

TEST(Transfer, a_reader_that_leaves_ends_the_export_and_the_audit_row_says_so) {
  storage::TestDatabase test;
  fill(test.db());
  ExportRequest request;
  request.actor = "test";
  const ExportReport report = export_data(test.db(), request, [](std::string_view) { return false; });
  EXPECT_FALSE(report.complete);
  const std::string row = test.db().read([](Transaction& t) {
    return t.exec("SELECT row FROM audit_event ORDER BY number DESC LIMIT 1").one().text("row");
  });
  EXPECT_NE(row.find("complete"), std::string::npos);
}

TEST(Transfer, filters_narrow_by_language_and_time) {
  storage::TestDatabase test;
  bring(test.db(), ImportFormat::jsonl,
        "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"r\",\"locale\":\"es-CL\"}\n"
        "{\"prompt\":\"b\",\"chosen\":\"c\",\"rejected\":\"r\",\"locale\":\"pt-BR\"}\n");
  EXPECT_EQ(take_out(test.db(), ExportKind::dpo, {.locale = "es"}).rows.size(), 1U);
  EXPECT_EQ(take_out(test.db(), ExportKind::dpo, {.locale = "es-CL"}).rows.size(), 1U);
  EXPECT_EQ(take_out(test.db(), ExportKind::dpo, {.locale = "e"}).rows.size(), 0U);
  EXPECT_EQ(take_out(test.db(), ExportKind::dpo, {.since = std::chrono::system_clock::now() + std::chrono::hours(1)})
                .rows.size(),
            0U);
  const std::string other = new_uuid();
  test.db().transaction([&](Transaction& t) {
    t.exec("INSERT INTO workspace (id, name) VALUES ($1::uuid, 'otra')", storage::Params().text(other));
  });
  EXPECT_EQ(take_out(test.db(), ExportKind::dpo, {.workspace_id = other}).rows.size(), 0U);
}

TEST(Transfer, parquet_says_what_json_lines_say) {
  if (!formats::has_parquet()) GTEST_FAIL() << "configure with AFINA_PARQUET=ON to test it";
  storage::TestDatabase test;
  fill(test.db());
  for (const ExportKind kind :
       {ExportKind::judgements, ExportKind::dpo, ExportKind::sft, ExportKind::kto, ExportKind::conversations}) {
    const Exported table = take_parquet(test.db(), kind);
    EXPECT_FALSE(table.rows.empty()) << to_string(kind);
    EXPECT_EQ(said(table.rows), said(take_out(test.db(), kind).rows)) << to_string(kind);
  }
}

TEST(Transfer, a_declaration_a_licence_and_a_name_are_needed) {
  storage::TestDatabase test;
  ImportRequest request;
  request.about.workspace_id = kPublicWorkspace;
  request.about.actor = "x";
  request.about.purposes = {"train"};
  const ImportFile file{[] { return memory_source("hola"); }, {}};
  EXPECT_THROW(import_file(test.db(), file, request), DataError);
  request.about.source = request.about.licence = "x";
  EXPECT_THROW(import_file(test.db(), file, request), DataError);
  request.about.declaration = std::string(5000, 'x');
  EXPECT_THROW(import_file(test.db(), file, request), DataError);
  EXPECT_TRUE(test.db().read([](Transaction& t) { return storage::list_imports(t, kPublicWorkspace, 10); }).empty());
}

TEST(Transfer, names_of_annotators_never_reach_the_database) {
  storage::TestDatabase test;
  bring(test.db(), ImportFormat::jsonl, R"({"prompt":"p","chosen":"c","rejected":"r","annotator":"ana@example.org"})");
  const int64_t found = test.db().read([](Transaction& t) {
    return t.exec("SELECT count(*) AS n FROM annotator WHERE name LIKE '%ana%'").one().integer("n");
  });
  EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace afina::datasets
