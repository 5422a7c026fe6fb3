// SPDX-License-Identifier: Apache-2.0
// Snapshots over a real PostgreSQL: who may enter, what stays fixed, what is left out later.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "datasets/encode.h"
#include "datasets/snapshot.h"
#include "formats/jsonl.h"
#include "storage/conversations.h"
#include "storage/people.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_database.h"

namespace afina::datasets {
namespace {

using storage::Transaction;

// One person who chats and judges one pair of answers; the ids of everything that was made.
struct Person {
  std::string receipt, visitor_id, annotator_id;
};

class SnapshotDb : public testing::Test {
 protected:
  storage::Database& database() { return test_.db(); }

  Person person(const std::string& annotator = "", std::vector<std::string> purposes = {"train", "review"}) {
    Person out;
    storage::NewVisitor visitor;
    visitor.locale = "es";
    visitor.session_token = storage::new_session_token();
    visitor.receipt_code = storage::new_receipt_code();
    visitor.consent.purposes = std::move(purposes);
    out.receipt = visitor.receipt_code;
    database().transaction([&](Transaction& t) {
      visitor.consent.text_id = storage::ensure_consent_text(t, "test", "es", "Acepto.").id;
      if (!annotator.empty())
        visitor.annotator_id = storage::ensure_annotator(t, storage::AnnotatorKind::demo, annotator).id;
      const auto stored = storage::create_visitor(t, visitor);
      out.visitor_id = stored.id;
      out.annotator_id = stored.annotator_id;
    });
    return out;
  }

  storage::Pair chat(const Person& who, const std::string& prompt, const std::string& a = "buena respuesta",
                     const std::string& b = "mala respuesta") {
    return database().transaction([&](Transaction& t) {
      storage::Conversation conversation;
      conversation.visitor_id = who.visitor_id;
      conversation.locale = "es";
      conversation = storage::create_conversation(t, conversation);
      storage::Message message;
      message.conversation_id = conversation.id;
      message.role = "user";
      message.content = prompt;
      storage::append_message(t, message, who.visitor_id);
      std::vector<std::string> ids;
      for (int slot = 0; slot < 2; ++slot) {
        storage::Generation generation;
        generation.conversation_id = conversation.id;
        generation.turn = 1;
        generation.slot = slot;
        generation.model = slot == 0 ? "base" : "other";
        generation.text = slot == 0 ? a : b;
        generation.finish_reason = "stop";
        ids.push_back(storage::append_generation(t, generation).id);
      }
      return storage::create_pair(t, ids[0], ids[1]);
    });
  }

  std::string vote(const Person& who, const storage::Pair& pair, int grade, const std::string& supersedes = "",
                   storage::Outcome outcome = storage::Outcome::graded) {
    return database().transaction([&](Transaction& t) {
      storage::Exposure exposure;
      exposure.pair_id = pair.id;
      exposure.visitor_id = who.visitor_id;
      exposure = storage::create_exposure(t, exposure);
      storage::NewPreference preference;
      preference.exposure_id = exposure.id;
      preference.visitor_id = who.visitor_id;
      preference.outcome = outcome;
      preference.grade = grade;
      preference.idempotency_key = new_uuid();
      preference.supersedes_id = supersedes;
      return storage::put_preference(t, preference).stored.id;
    });
  }

  storage::Snapshot snapshot(const std::string& name) {
    SnapshotSpec spec;
    spec.name = name;
    return create_snapshot(database(), spec);
  }

 private:
  storage::TestDatabase test_;
};

TEST_F(SnapshotDb, HoldsWhatPeopleJudgedWithItsLineage) {
  const Person ana = person("ana"), luis = person("luis");
  const auto pair = chat(ana, "¿Qué es una ley?");
  const std::string first = vote(ana, pair, 3), second = vote(luis, pair, 2);
  const auto made = snapshot("one");
  EXPECT_EQ(made.members, 2) << "a pair and an answer to imitate";
  EXPECT_EQ(made.sha256.size(), 64U);
  const auto pairs = load_snapshot_pairs(database(), "one", "train");
  ASSERT_EQ(pairs.rows.size(), 1U);
  EXPECT_DOUBLE_EQ(pairs.rows[0].soft_label, (0.5 + 0.95 + 0.85) / 3);
  EXPECT_EQ(pairs.rows[0].preference_ids, (std::vector<std::string>{first, second}));
  const auto& form = std::get<PairChat>(pairs.rows[0].form);
  EXPECT_EQ(form.prompt, (Messages{{"user", "¿Qué es una ley?"}}));
  EXPECT_EQ(form.chosen, (Messages{{"assistant", "buena respuesta"}}));
  EXPECT_EQ(form.rejected, (Messages{{"assistant", "mala respuesta"}}));
  EXPECT_EQ(load_snapshot_sft(database(), made.id, "train").rows.size(), 1U);
}

TEST_F(SnapshotDb, KeepsTheShareOfTiesAndMakesUnpairedRows) {
  const Person ana = person("ana"), luis = person("luis");
  const auto pair = chat(ana, "¿Qué es una ley?");
  vote(ana, pair, 3);
  vote(luis, pair, 0);
  vote(ana, chat(ana, "otra pregunta"), 0, "", storage::Outcome::both_bad);
  snapshot("one");
  const auto pairs = load_snapshot_pairs(database(), "one", "train");
  ASSERT_EQ(pairs.rows.size(), 1U);
  EXPECT_DOUBLE_EQ(pairs.rows[0].tie, 1.0 / 3);
  const auto unpaired = load_snapshot_unpaired(database(), "one", "train");
  ASSERT_EQ(unpaired.rows.size(), 4U) << "two answers of the pair, two that were called bad";
  EXPECT_DOUBLE_EQ(unpaired.rows[0].label, pairs.rows[0].soft_label);
  EXPECT_DOUBLE_EQ(unpaired.rows[1].label, 1.0 - pairs.rows[0].soft_label);
  EXPECT_EQ(unpaired.rows[3].label, 0.0);
  EXPECT_EQ(std::get<ChatCompletionForm>(unpaired.rows[1].form).completion[0].content, "mala respuesta");
  EXPECT_NE(unpaired.identity, pairs.identity);
  EXPECT_EQ(pairs.identity, load_snapshot_pairs(database(), "one", "train").identity);
}

TEST_F(SnapshotDb, HeldOutSetsAreByPromptAndByAnnotator) {
  std::vector<Person> people;
  for (int i = 0; i < 8; ++i)
    people.push_back(person(cat("annotator ", i)));
  for (int prompt = 0; prompt < 12; ++prompt) {
    const auto pair = chat(people[0], cat("pregunta número ", prompt));
    for (const Person& who : people)
      vote(who, pair, 2);
  }
  SnapshotSpec spec;
  spec.name = "split";
  spec.split.eval_prompts = spec.split.eval_annotators = 0.4;
  create_snapshot(database(), spec);
  const auto train = load_snapshot_pairs(database(), "split", "train").rows;
  const auto held_out = load_held_out_pairs(database(), "split");
  ASSERT_EQ(held_out.size(), 3U);
  EXPECT_EQ(held_out[0].split, "eval");
  EXPECT_EQ(held_out[1].split, "eval_prompt");
  EXPECT_EQ(held_out[2].split, "eval_annotator");
  const auto prompts = [](const std::vector<PairRow>& rows) {
    std::set<std::string> out;
    for (const PairRow& row : rows)
      out.insert(std::get<PairChat>(row.form).prompt[0].content);
    return out;
  };
  const auto trained = prompts(train);
  for (const auto& set : held_out) {
    for (const std::string& prompt : prompts(set.rows.rows))
      EXPECT_EQ(trained.count(prompt) > 0, set.split == "eval_annotator") << set.split;
  }
  EXPECT_EQ(load_held_out_sft(database(), "split").size(), 3U);
  EXPECT_EQ(load_held_out_unpaired(database(), "split").size(), 3U);
  snapshot("whole");
  EXPECT_TRUE(load_held_out_pairs(database(), "whole").empty());
  EXPECT_THROW(load_held_out_pairs(database(), "none"), NotFound);
}

TEST_F(SnapshotDb, OnlyTheStandingVoteCounts) {
  const Person ana = person("ana");
  const auto pair = chat(ana, "hola");
  const std::string first = vote(ana, pair, 3);
  const std::string corrected = vote(ana, pair, -3, first);
  snapshot("one");
  const auto pairs = load_snapshot_pairs(database(), "one", "train");
  EXPECT_EQ(pairs.rows[0].preference_ids, (std::vector<std::string>{corrected}));
  EXPECT_EQ(std::get<PairChat>(pairs.rows[0].form).chosen[0].content, "mala respuesta");
}

TEST_F(SnapshotDb, PeopleWithoutConsentToTrainingNeverEnter) {
  const Person ana = person("ana", {"review"});
  vote(ana, chat(ana, "hola"), 3);
  EXPECT_THROW(snapshot("one"), DataError) << "a snapshot of nothing is an error";
  const Person luis = person("luis");
  vote(luis, chat(luis, "otra"), 3);
  snapshot("two");
  EXPECT_EQ(load_snapshot_pairs(database(), "two", "train").rows.size(), 1U);
}

TEST_F(SnapshotDb, WithdrawnRowsReachNoLaterSnapshotAndNoLaterTraining) {
  const Person ana = person("ana"), luis = person("luis");
  vote(ana, chat(ana, "hola"), 3);
  vote(luis, chat(luis, "buenas"), 3);
  const auto before = snapshot("before");
  EXPECT_EQ(load_snapshot_pairs(database(), "before", "train").rows.size(), 2U);
  database().transaction([&](Transaction& t) { storage::withdraw(t, ana.receipt); });
  const auto again = load_snapshot_pairs(database(), "before", "train");
  EXPECT_EQ(again.rows.size(), 1U);
  EXPECT_EQ(again.withdrawn, 1);
  EXPECT_EQ(again.snapshot.sha256, before.sha256) << "the list itself never changes";
  snapshot("after");
  EXPECT_EQ(load_snapshot_pairs(database(), "after", "train").rows.size(), 1U);
  database().transaction([&](Transaction& t) { storage::withdraw(t, luis.receipt); });
  EXPECT_THROW(load_snapshot_pairs(database(), "after", "train"), DataError);
  EXPECT_THROW(snapshot("nobody"), DataError);
}

TEST_F(SnapshotDb, LaterVotesDoNotMoveIt) {
  const Person ana = person("ana"), luis = person("luis");
  const auto pair = chat(ana, "hola");
  vote(ana, pair, 3);
  snapshot("one");
  vote(luis, pair, -3);
  EXPECT_EQ(load_snapshot_pairs(database(), "one", "train").rows[0].preference_ids.size(), 1U);
  EXPECT_THROW(snapshot("one"), Conflict);
  EXPECT_EQ(database().read([](Transaction& t) { return storage::list_snapshots(t); }).size(), 1U);
}

TEST_F(SnapshotDb, RefusesUnknownNamesAndEmptySplits) {
  EXPECT_THROW(load_snapshot_pairs(database(), "none", "train"), NotFound);
  const Person ana = person("ana");
  vote(ana, chat(ana, "hola"), 3);
  snapshot("one");
  EXPECT_THROW(load_snapshot_pairs(database(), "one", "eval"), DataError);
  SnapshotSpec spec;
  spec.split.eval_prompts = 1.5;
  EXPECT_THROW(create_snapshot(database(), spec), UsageError);
  EXPECT_THROW(snapshot(std::string(201, 'n')), UsageError);
  EXPECT_THROW(snapshot("\xF1"), UsageError);
}

std::vector<Json> lines_of(const std::filesystem::path& path) {
  std::vector<Json> rows;
  formats::JsonlReader reader(path);
  while (auto row = reader.next())
    rows.push_back(std::move(*row));
  return rows;
}

TEST_F(SnapshotDb, ExportsWhatTheReadersOfFilesTakeBack) {
  const Person ana = person("ana"), luis = person("luis");
  const auto pair = chat(ana, "¿Qué \"es\" una ley?\n");
  const std::string first = vote(ana, pair, 3);
  vote(ana, pair, 2, first);
  vote(luis, pair, 0, "", storage::Outcome::cannot_judge);
  vote(ana, chat(ana, "otra", "mala", "peor"), 0, "", storage::Outcome::both_bad);
  snapshot("one");
  const TempFolder folder;
  const auto out = folder.path() / "export";
  const auto report = export_snapshot(database(), "one", out);
  EXPECT_EQ(report.pairs, 1);
  EXPECT_EQ(report.sft, 1);
  EXPECT_EQ(report.negatives, 2);
  EXPECT_EQ(report.votes, 4) << "every vote: the superseded one and cannot-judge too";
  const auto from_file = read_pair_rows(out / "preference.train.jsonl");
  const auto from_database = load_snapshot_pairs(database(), "one", "train").rows;
  ASSERT_EQ(from_file.size(), 1U);
  EXPECT_EQ(std::get<PairChat>(from_file[0].form).prompt, std::get<PairChat>(from_database[0].form).prompt);
  EXPECT_EQ(from_file[0].soft_label, from_database[0].soft_label) << "q keeps every bit";
  EXPECT_EQ(from_file[0].preference_ids, from_database[0].preference_ids);
  EXPECT_EQ(read_sft_rows(out / "sft.train.jsonl").size(), 1U);
  int used = 0;
  for (const Json& row : lines_of(out / "votes.jsonl"))
    used += row["used"].get<bool>() ? 1 : 0;
  EXPECT_EQ(used, 2);
  for (const Json& row : lines_of(out / "negative.train.jsonl"))
    EXPECT_EQ(row["label"], false);
  EXPECT_EQ(parse_json(read_file(out / "snapshot.json"), "snapshot.json")["name"], "one");
  EXPECT_THROW(export_snapshot(database(), "one", out), Conflict);
  EXPECT_THROW(export_snapshot(database(), "none", folder.path() / "b"), NotFound);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "nothing half-written stays";
}

TEST_F(SnapshotDb, ExportsNoVoteOfAnybodyWhoDoesNotAllowTraining) {
  const Person ana = person("ana"), luis = person("luis", {"collect"}), eva = person("eva");
  const auto pair = chat(ana, "hola");
  vote(ana, pair, 3);
  vote(luis, pair, -3);
  vote(eva, pair, 1);
  snapshot("one");
  const TempFolder folder;
  const auto exported = [&](const std::string& name) {
    export_snapshot(database(), "one", folder.path() / name);
    std::set<std::string> people;
    for (const Json& row : lines_of(folder.path() / name / "votes.jsonl"))
      people.insert(row["annotator_id"]);
    return people;
  };
  EXPECT_EQ(exported("first"), (std::set<std::string>{ana.annotator_id, eva.annotator_id})) << "luis never allowed it";
  database().transaction([&](Transaction& t) {
    storage::ConsentEvent event;
    event.visitor_id = eva.visitor_id;
    event.text_id = storage::ensure_consent_text(t, "test", "es", "Acepto.").id;
    event.purposes = {"review"};
    storage::add_consent_event(t, event);
  });
  EXPECT_EQ(exported("second"), std::set<std::string>{ana.annotator_id}) << "the newest consent holds";
}

}  // namespace
}  // namespace afina::datasets
