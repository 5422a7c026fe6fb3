// SPDX-License-Identifier: Apache-2.0
// Notes on single answers out of a real database.
#include <regex>

#include "storage/accounts/accounts.h"
#include "storage/judgements/answer_notes.h"
#include "storage/sql.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/fixtures.h"

namespace afina::datasets {
namespace {

using storage::kPublicWorkspace;
using storage::Params;
using storage::Transaction;

struct Asked {
  storage::Person person;
  std::string conversation_id, generation_id;
};

class NotesExport : public ::testing::Test {
 protected:
  /// A chat with a tool's answer in it and one answer of a model.
  Asked ask(const std::string& locale = "es", const std::string& workspace = kPublicWorkspace) {
    return db.transaction(
        [&](Transaction& t) {
          Asked out{storage::make_person(t), {}, {}};
          storage::Conversation c;
          c.visitor_id = out.person.visitor_id;
          c.locale = locale;
          out.conversation_id = storage::create_conversation(t, c).id;
          storage::Message m;
          m.conversation_id = c.id;
          const std::pair<const char*, std::string> said[] = {{"user", "¿Llueve? " + kWords}, {"tool", "{\"mm\": 3}"}};
          for (const auto& [role, content] : said) {
            m.id = new_uuid();
            m.role = role;
            m.content = content;
            storage::append_message(t, m, c.visitor_id);
            ++m.turn;
          }
          storage::Generation g;
          g.conversation_id = c.id;
          g.turn = 2;
          g.model = "smollm2";
          g.text = "Sí: " + kWords;
          out.generation_id = storage::append_generation(t, g).id;
          return out;
        },
        {.workspace = workspace});
  }
  std::string note(const Asked& on, const std::string& reason) {
    storage::NewAnswerNote n;
    n.conversation_id = on.conversation_id;
    n.generation_id = on.generation_id;
    n.visitor_id = on.person.visitor_id;
    n.reason = reason;
    n.rewrite = "Mejor: " + reason;
    n.idempotency_key = n.id;
    n.details.aspects = {{on.generation_id, storage::Aspect::clarity, 4}};
    n.details.flags = {{on.generation_id, storage::FlagKind::toxic, reason}};
    n.details.spans = {{on.generation_id, 1, 3, "wrong", reason}};
    n.details.reason_language = "gn";
    return db.transaction([&](Transaction& t) { return storage::put_answer_note(t, n).stored.id; });
  }
  std::vector<Json> notes(storage::ExportFilter filter = {}) {
    return take_out(db, ExportKind::notes, std::move(filter)).rows;
  }

  storage::TestDatabase test;
  storage::Database& db = test.db();
};

TEST_F(NotesExport, ANoteIsWholeInBothForms) {
  const Asked asked = ask();
  const std::string id = note(asked, kWords);
  const std::string at = db.read([&](Transaction& t) {
    return t
        .exec(
            "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at "
            "FROM answer_note")
        .one()
        .text("at");
  });
  const Json want{
      {"note_id", id},
      {"conversation_id", asked.conversation_id},
      {"generation_id", asked.generation_id},
      {"turn", 2},
      {"locale", "es"},
      {"source", "web"},
      {"prompt",
       {{{"role", "user"}, {"content", "¿Llueve? " + kWords}}, {{"role", "tool"}, {"content", "{\"mm\": 3}"}}}},
      {"answer", "Sí: " + kWords},
      {"model", "smollm2"},
      {"adapter", nullptr},
      {"aspects", {{{"aspect", "clarity"}, {"value", 4}}}},
      {"flags", {{{"kind", "toxic"}, {"note", kWords}}}},
      {"spans", {{{"kind", "wrong"}, {"start", 1}, {"end", 3}, {"note", kWords}}}},
      {"rewrite", "Mejor: " + kWords},
      {"reason", kWords},
      {"reason_language", "gn"},
      {"superseded", false},
      {"supersedes_id", nullptr},
      {"created_at", at},
      {"purposes", {"train", "review"}}};
  std::vector<Json> lines = notes(), table = take_parquet(db, ExportKind::notes).rows;
  for (auto* rows : {&lines, &table}) {
    ASSERT_EQ(rows->size(), 1U);
    const std::string name = rows->at(0)["annotator"];
    EXPECT_TRUE(std::regex_match(name, std::regex("[0-9a-f]{32}"))) << name;
    rows->at(0).erase("annotator");
    EXPECT_EQ(rows->at(0), want);
  }
}

TEST_F(NotesExport, ALaterNoteStandsAndTheEarlierOneIsMarked) {
  const Asked asked = ask();
  const std::string first = note(asked, "uno"), second = note(asked, "dos");
  const auto rows = notes();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["note_id"], first);
  EXPECT_EQ(rows[0]["superseded"], true);
  EXPECT_EQ(rows[0]["reason"], "uno");
  EXPECT_EQ(rows[1]["superseded"], false);
  EXPECT_EQ(rows[1]["supersedes_id"], first);
  EXPECT_EQ(rows[1]["note_id"], second);
  EXPECT_EQ(rows[0]["annotator"], rows[1]["annotator"]);
}

TEST_F(NotesExport, WhoWithdrawsIsOutAtOnceAndTheOthersStay) {
  const Asked ana = ask(), bea = ask();
  note(ana, "de ana");
  note(bea, "de bea");
  ASSERT_EQ(notes().size(), 2U);
  db.transaction([&](Transaction& t) { storage::withdraw(t, ana.person.receipt); });
  const auto rows = notes();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["reason"], "de bea");
}

TEST_F(NotesExport, FiltersNarrowByPurposeLanguageProjectAndTime) {
  note(ask("es-CL"), "chile");
  note(ask("pt-BR"), "brasil");
  EXPECT_EQ(notes().size(), 2U);
  ASSERT_EQ(notes({.locale = "es"}).size(), 1U);
  EXPECT_EQ(notes({.locale = "es"})[0]["reason"], "chile");
  EXPECT_EQ(notes({.purpose = "publish"}).size(), 0U);
  EXPECT_EQ(notes({.purpose = "review"}).size(), 2U);
  EXPECT_EQ(notes({.project_id = new_uuid()}).size(), 0U) << "no item of it is about these chats";
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(notes({.since = now + std::chrono::hours(1)}).size(), 0U);
  EXPECT_EQ(notes({.since = now - std::chrono::hours(1)}).size(), 2U);
}

TEST_F(NotesExport, AnotherWorkspaceSeesNothingByQueryNorByRowSecurity) {
  const std::string other = db.transaction([](Transaction& t) { return storage::ensure_workspace(t, "otra").id; });
  note(ask("es", other), "de la otra");
  note(ask(), "de todos");
  EXPECT_EQ(notes().size(), 2U);
  EXPECT_EQ(notes({.workspace_id = other}).at(0)["reason"], "de la otra");
  storage::DatabaseOptions options;
  options.role = storage::kWebRole;
  options.announce = false;
  const auto web = storage::Database::open(test.target(), options);
  const auto seen = [&](storage::ExportFilter filter) {
    return take_out(*web, ExportKind::notes, std::move(filter)).rows;
  };
  ASSERT_EQ(seen({.workspace_id = other}).size(), 1U);
  EXPECT_EQ(seen({.workspace_id = kPublicWorkspace}).at(0)["reason"], "de todos");
  const storage::WorkspaceScope scope(other);
  ASSERT_EQ(seen({}).size(), 1U) << "by row security alone: the query asks for every workspace";
  EXPECT_EQ(seen({}).at(0)["reason"], "de la otra");
}

}  // namespace
}  // namespace afina::datasets
