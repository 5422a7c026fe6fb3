// SPDX-License-Identifier: Apache-2.0
// What the page tells of how two answers stood: above each other on a phone, beside each other on a desktop, with a
// vote that waits for the network and with a task too.
#include "storage/transaction.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class ShownPageTest : public PageWorld {
 protected:
  void SetUp() override { start({"good", "other"}); }
  /// Of the newest row: layout, width, height.
  Json told(const std::string& table) {
    return database_->read([&](storage::Transaction& t) {
      const storage::Result rows =
          t.exec(cat("SELECT json_build_array(shown_layout, shown_width_px, shown_height_px) AS shown FROM ", table,
                     " ORDER BY created_at DESC LIMIT 1"));
      return rows.empty() ? Json() : rows[0].json("shown");
    });
  }
  Json window() { return browser().evaluate("[innerWidth, innerHeight]"); }
  /// On which line each answer begins.
  bool above() {
    return browser().evaluate(
        "(([a, b]) => a.bottom <= b.top)([...document.querySelectorAll('.answer')].map((one) => "
        "one.getBoundingClientRect()))");
  }
  void pair(int width, int height) {
    browser().new_page(width, height);
    enter();
    ask("hola");
    browser().wait_for("document.querySelector('.vote')");
  }
};

TEST_F(ShownPageTest, APhonesVoteIsStackedAlsoWhereItWaitsForTheNetwork) {
  pair(360, 740);
  ASSERT_TRUE(above());
  const Json size = window();
  browser().set_offline(true);
  vote("3");
  browser().wait_for("document.querySelector('#waiting').innerText.includes('Por enviar: 1')");
  EXPECT_EQ(told("preference"), nullptr);
  browser().set_offline(false);
  browser().wait_for("document.querySelector('#waiting').hidden");
  EXPECT_EQ(told("preference"), Json({"stacked", size[0], size[1]}));
}

TEST_F(ShownPageTest, ADesktopsVoteIsSideBySideAndACorrectionTellsTheSame) {
  pair(1280, 860);
  ASSERT_FALSE(above());
  const Json size = window(), want{"side_by_side", size[0], size[1]};
  vote("-1");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(told("preference"), want);
  browser().click(".edit");
  vote("2");
  browser().wait_for("document.querySelector('.voted')?.textContent.includes('A es mejor')");
  sent();
  EXPECT_EQ(told("preference WHERE grade IS NOT NULL AND supersedes_id IS NOT NULL"), want);
}

TEST_F(ShownPageTest, ATaskTellsItOfSeveralAnswers) {
  browser().new_page(360, 740);
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("ranking");
  add_items(project, 1, {"uno", "dos", "tres"});
  work(project);
  const Json size = window();
  browser().click(".vote button.primary");
  browser().click(".vote button.primary");  // the order as it came takes a second press
  browser().wait_for("!document.querySelector('.desk .vote')");
  EXPECT_EQ(told("submission"), Json({"stacked", size[0], size[1]}));
}

TEST_F(ShownPageTest, ATaskTellsNothingOfOneAnswer) {
  browser().new_page(360, 740);
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("flagging");
  add_items(project, 1, {"una sola"});
  work(project);
  browser().click(".vote button.primary");
  browser().wait_for("!document.querySelector('.desk .vote')");
  EXPECT_EQ(told("submission"), Json({nullptr, nullptr, nullptr}));
}

TEST_F(ShownPageTest, ABoardTellsTheShareOfTheFirstAnswerInWords) {
  browser().new_page(1280, 860);
  enter();
  const std::string words = browser().evaluate(
      "import('/js/views/board_parts.js').then(({leaderboard}) => leaderboard({models: [{name: 'uno', rating: 1000, "
      "low: 990, high: 1010, rank: 1, battles: 9, wins: 5, ties: 0}], layouts: [{layout: 'side_by_side', first_share: "
      "0.52, low: 0.49, high: 0.55}, {layout: 'stacked', first_share: 0.61, low: 0.57, high: 0.65}]})"
      ".map((part) => part.textContent ?? '').join(' '))");
  for (const char* part : {"la de la izquierda el 52", "(de 49", "la de arriba el 61", "a 65"})
    EXPECT_NE(words.find(part), std::string::npos) << part << " in " << words;
}

}  // namespace
}  // namespace afina::collector
