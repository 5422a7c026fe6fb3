// SPDX-License-Identifier: Apache-2.0
// Withdrawn and erased: no export of any kind has a word of the person, nor has the database; before, both had.
#include "storage/events/retention.h"
#include "storage/judgements/answer_notes.h"
#include "storage/people.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::datasets {
namespace {

using storage::kPublicWorkspace;
using storage::Params;
using storage::ProjectKind;
using storage::Transaction;
using storage::Worker;

const std::string kSecret = "secreto-de-ana-ñ";

class ErasedExport : public storage::TaskWorld {
 protected:
  ErasedExport() : TaskWorld(4) {}

  /// Asks, notes, votes in the chat.
  void chats(const std::string& visitor_id, const std::string& words) {
    db.transaction([&](Transaction& t) {
      const auto shown = storage::make_pair_for(t, {visitor_id, "", ""}, "Pregunto: " + words);
      auto vote = storage::vote_on(shown.exposure, 3);
      vote.reason = words;
      storage::put_preference(t, vote);
      storage::NewAnswerNote n;
      n.conversation_id = shown.conversation.id;
      n.generation_id = shown.a.id;
      n.visitor_id = visitor_id;
      n.reason = n.rewrite = words;
      n.details.flags = {{shown.a.id, storage::FlagKind::toxic, words}};
      n.details.spans = {{shown.a.id, 0, 1, "bad", words}};
      n.idempotency_key = n.id;
      storage::put_answer_note(t, n);
    });
  }
  /// Hands in what the kind wants, with words wherever a person may write.
  void works(const std::string& project_id, const Worker& who, const std::string& words) {
    const auto got = next(project_id, who);
    ASSERT_TRUE(got.task);
    auto said = graded(*got.task, who, 2);
    if (got.task->kind != ProjectKind::pairwise) said.verdict = {};
    if (got.task->kind == ProjectKind::rating) said.verdict.ratings = {{0, storage::Aspect::helpful, 3}};
    if (got.task->kind == ProjectKind::ranking) said.verdict.tiers = {{0}, {1}};
    said.reason = said.rewrite = words;
    said.flags = {{0, storage::FlagKind::toxic, words}};
    said.spans = {{0, 0, 1, "bad", words}};
    hand_in(said);
  }
  std::vector<std::string> kinds_with(const std::string& words) {
    std::vector<std::string> out;
    for (const ExportKind kind : kEveryKind)
      for (const char* purpose : {"train", "review"})
        if (take_out(db, kind, {.purpose = purpose}).bytes.find(words) != std::string::npos)
          out.push_back(cat(to_string(kind), "/", purpose));
    return out;
  }
  /// Tables in which a row still holds the words.
  std::vector<std::string> tables_with(const std::string& words) {
    std::vector<std::string> out;
    for (const char* table :
         {"message", "generation", "preference", "rewrite", "answer_flag", "span_note", "answer_note", "submission"}) {
      const int64_t found = db.read([&](Transaction& t) {
        return t
            .exec(cat("SELECT count(*) AS n FROM ", table, " x WHERE strpos(to_jsonb(x)::text, $1) > 0"),
                  Params().text(words))
            .one()
            .integer("n");
      });
      if (found > 0) out.push_back(table);
    }
    return out;
  }
};

TEST_F(ErasedExport, NoFileAndNoTableHasAWordOfWhoWithdrewAndWasErased) {
  const Worker ana = worker(), bea = worker();
  const std::string of_bea = "palabra-de-bea";
  for (const ProjectKind kind : {ProjectKind::pairwise, ProjectKind::ranking, ProjectKind::rating, ProjectKind::rewrite,
                                 ProjectKind::flagging}) {
    const std::string id = project(settings(kind, 2));
    add(id, items(1));
    works(id, ana, kSecret);
    works(id, bea, of_bea);
  }
  chats(ana.visitor_id, kSecret);
  chats(bea.visitor_id, of_bea);
  const auto in_files = kinds_with(kSecret);
  EXPECT_EQ(in_files, kinds_with(of_bea));
  for (const char* kind : {"judgements/train", "dpo/train", "sft/train", "kto/train", "conversations/train",
                           "submissions/train", "submissions/review", "notes/train", "notes/review"})
    EXPECT_NE(std::find(in_files.begin(), in_files.end(), kind), in_files.end()) << "the control: " << kind;
  const auto in_tables = tables_with(kSecret);
  EXPECT_EQ(in_tables, (std::vector<std::string>{"message", "preference", "rewrite", "answer_flag", "span_note",
                                                 "answer_note", "submission"}))
      << "the control";

  db.transaction([&](Transaction& t) { storage::withdraw_visitor(t, ana.visitor_id); });
  EXPECT_EQ(kinds_with(kSecret), std::vector<std::string>()) << "hidden at once";
  EXPECT_EQ(tables_with(kSecret), in_tables) << "and kept until the erasure";
  const auto erased = storage::run_retention(db, {.days_withdrawn = 0}, true);
  EXPECT_EQ(erased.people, 1);
  EXPECT_EQ(erased.texts.at("submission"), 5);
  EXPECT_EQ(tables_with(kSecret), std::vector<std::string>());
  EXPECT_EQ(kinds_with(kSecret), std::vector<std::string>());
  EXPECT_EQ(kinds_with(of_bea), in_files) << "the others' words stay in every kind";
}

}  // namespace
}  // namespace afina::datasets
