// SPDX-License-Identifier: Apache-2.0
// How the answers stood, on its way out and back in: both forms of judgements and submissions.
#include "datasets/transfer/import_file.h"
#include "storage/people.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::datasets {
namespace {

using storage::Layout;
using storage::Screen;
using storage::Transaction;

class ShownExport : public storage::TaskWorld {
 protected:
  /// Three people judge a pair: on a phone, on a desk, and by a program that shows nothing.
  void judge() {
    db.transaction([&](Transaction& t) {
      phone_ = storage::make_person(t);
      const auto shown = storage::make_pair_for(t, phone_);
      const auto put = [&](const storage::Exposure& exposure, const std::optional<Screen>& screen) {
        auto vote = storage::vote_on(exposure, 1);
        vote.screen = screen;
        storage::put_preference(t, vote);
        return vote.id;
      };
      const auto other = [&] {
        storage::Exposure e;
        e.pair_id = shown.pair.id;
        e.visitor_id = storage::make_person(t).visitor_id;
        return storage::create_exposure(t, e);
      };
      of_phone_ = put(shown.exposure, Screen{Layout::stacked, 360, 740});
      of_desk_ = put(other(), Screen{Layout::side_by_side, 1280, 860});
      of_program_ = put(other(), std::nullopt);
    });
  }
  static std::map<std::string, Json> by_id(const std::vector<Json>& rows, const char* id) {
    std::map<std::string, Json> out;
    for (const Json& row : rows)
      out[row.at(id)] = {row.at("shown_layout"), row.at("shown_width_px"), row.at("shown_height_px")};
    return out;
  }
  ImportReport bring(storage::Database& into, const std::string& text) {
    ImportRequest request;
    request.format = ImportFormat::jsonl;
    request.about.workspace_id = storage::kPublicWorkspace;
    request.about.source = "prueba";
    request.about.licence = request.about.declaration = request.about.actor = "test";
    request.about.purposes = {"train", "review", "publish"};
    return import_file(into, {[&] { return memory_source(text); }, {}}, request);
  }

  storage::Person phone_;
  std::string of_phone_, of_desk_, of_program_;
};

TEST_F(ShownExport, JudgementsTellItInBothFormsUntilTheirPersonGoes) {
  judge();
  const std::map<std::string, Json> want{{of_phone_, {"stacked", 360, 740}},
                                         {of_desk_, {"side_by_side", 1280, 860}},
                                         {of_program_, {nullptr, nullptr, nullptr}}};
  EXPECT_EQ(by_id(take_out(db, ExportKind::judgements).rows, "judgement_id"), want);
  EXPECT_EQ(by_id(take_parquet(db, ExportKind::judgements).rows, "judgement_id"), want);
  sql(cat("UPDATE visitor SET withdrawn_at = now() WHERE id IN (SELECT visitor_id FROM preference WHERE id = '",
          of_desk_, "')"));
  const auto left = by_id(take_out(db, ExportKind::judgements).rows, "judgement_id");
  EXPECT_EQ(left.size(), 2U);
  EXPECT_FALSE(left.contains(of_desk_));
}

TEST_F(ShownExport, SubmissionsTellItInBothForms) {
  const std::string id = project(settings(storage::ProjectKind::ranking, 2));
  add(id, items(1, 3));
  std::map<std::string, Json> want;
  for (const bool told : {true, false}) {
    const auto who = worker();
    auto said = plain(task_of(id, who), who);
    said.verdict.tiers = {{0}, {1}, {2}};
    if (told) said.screen = Screen{Layout::stacked, 412, 915};
    want[hand_in(said).id] = told ? Json{"stacked", 412, 915} : Json{nullptr, nullptr, nullptr};
  }
  EXPECT_EQ(by_id(take_out(db, ExportKind::submissions).rows, "submission_id"), want);
  EXPECT_EQ(by_id(take_parquet(db, ExportKind::submissions).rows, "submission_id"), want);
}

TEST_F(ShownExport, AnImportOfTheFileSaysTheSame) {
  judge();
  const Exported first = take_out(db, ExportKind::judgements);
  storage::TestDatabase other;
  const ImportReport report = bring(other.db(), first.bytes);
  EXPECT_EQ(report.counts.judgements, 3);
  EXPECT_EQ(report.counts.skipped, 0);
  const auto said = [](const std::vector<Json>& rows) {
    std::multiset<std::string> out;
    for (const auto& [id, shown] : by_id(rows, "judgement_id"))
      out.insert(shown.dump());
    return out;
  };
  EXPECT_EQ(said(take_out(other.db(), ExportKind::judgements).rows), said(first.rows));
}

TEST_F(ShownExport, RowsWhoseLayoutOrSizeIsNotKnownAreSkippedAndTold) {
  judge();
  const Json row = take_out(db, ExportKind::judgements).rows.at(0);
  std::string file;
  const std::pair<const char*, Json> changes[] = {{"shown_layout", "tabs"},     {"shown_layout", nullptr},
                                                  {"shown_width_px", 0},        {"shown_width_px", 20'001},
                                                  {"shown_height_px", nullptr}, {"shown_height_px", 1LL << 40},
                                                  {"shown_height_px", "740"}};
  Json told = row;
  told.update({{"shown_layout", "stacked"}, {"shown_width_px", 360}, {"shown_height_px", 740}});
  for (const auto& [name, value] : changes) {
    Json changed = told;
    changed[name] = value;
    changed["judgement_id"] = new_uuid();
    file += changed.dump() + "\n";
  }
  storage::TestDatabase other;
  const ImportReport bad = bring(other.db(), file);
  EXPECT_EQ(bad.counts.skipped, static_cast<int64_t>(std::size(changes)));
  EXPECT_EQ(bad.counts.judgements, 0);
  EXPECT_EQ(bring(other.db(), told.dump() + "\n").counts.judgements, 1) << "the control";
}

}  // namespace
}  // namespace afina::datasets
