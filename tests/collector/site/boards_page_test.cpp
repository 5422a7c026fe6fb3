// SPDX-License-Identifier: Apache-2.0
// The leaderboard on the page: what it says before there are enough people, how a reviewer publishes it, and that what
// was published stands at an address of its own for everybody, as it was.
#include "storage/accounts/accounts.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class BoardsPageTest : public PageWorld {
 protected:
  /// One vote of each of so many people.
  void crowd(int people) const {
    for (int i = 0; i < people; ++i) {
      Caller one = somebody();
      ASSERT_EQ(one.visit("person", {"collect", "train", "review"}).status, 201);
      const Reply answer = one.ask();
      ASSERT_LT(
          one.post("/api/votes", {{"exposure", answer.event("done").at("exposure")}, {"outcome", i % 2 == 0 ? 2 : -2}})
              .status,
          300);
    }
  }
  /// A member of the workspace that visitors belong to.
  void join_public(storage::Role role, const std::string& name) {
    consent("/api/join",
            {{"purposes", {"collect"}}, {"token", invite(role, "public")}, {"name", name}, {"password", kPassphrase}});
    browser().go(cat(address(), "/"));
    browser().wait_for("document.querySelector('[data-ready=chat], [data-ready=review]')");
  }
  std::string publish() {
    view("#/boards", "boards");
    browser().click("#publish");
    browser().click("dialog[open] .danger");
    browser().wait_for("document.querySelector('#published-board table')");
    return browser().evaluate("location.hash.split('/')[3]");
  }
  std::string cells(const std::string& selector) {
    return browser().evaluate(
        cat("[...document.querySelectorAll('", selector, "')].map((cell) => cell.innerText).join('|')"));
  }
};

TEST_F(BoardsPageTest, WhoComesBeforeThereAreEnoughVotesIsToldWhatToDo) {
  start({"good", "other"});
  crowd(4);
  browser().new_page(360, 740);
  browser().go(cat(address(), "/#/boards"));
  browser().wait_for("document.querySelector('[data-ready=boards]')");
  choose_language("es");
  EXPECT_NE(text_of("#leaderboard").find("cinco personas"), std::string::npos);
  EXPECT_EQ(browser().evaluate("document.querySelector('#leaderboard a').hash"), "#/chat");
  EXPECT_EQ(browser().evaluate("document.querySelector('#publish').hidden"), true);
  view("#/boards/published", "boards");
  EXPECT_NE(text_of("#published").find("Todavía no se publicó ninguna"), std::string::npos);
  check_view("boards-none");
  check_quiet();
}

TEST_F(BoardsPageTest, AReviewerPublishesAndEverybodyReadsItAsItWas) {
  start({"good", "other"});
  crowd(6);
  browser().new_page(1280, 860);
  join_public(storage::Role::reviewer, "amaru");
  view("#/boards", "boards");
  check_view("boards-live");
  const std::string id = publish();
  EXPECT_NE(text_of("h1").find("Clasificación publicada el "), std::string::npos);
  EXPECT_EQ(browser().evaluate("document.activeElement === document.querySelector('h1')"), true)
      << "where it is read from";
  const std::string rows = cells("#published-board tbody tr > *");
  EXPECT_NE(rows.find("good"), std::string::npos);
  EXPECT_NE(text_of("#published-board").find("6 votos de 6 personas"), std::string::npos);
  EXPECT_NE(
      text_of("#published-board").find("Todos los idiomas · Todos los países · La respuesta entera · Bradley–Terry"),
      std::string::npos);
  check_view("boards-published-one");
  crowd(1);
  browser().new_page(360, 740, true);  // somebody else, on a phone, by the address alone
  browser().go(cat(address(), "/#/boards/published/", id));
  browser().wait_for("document.querySelector('#published-board table')");
  choose_language("es");
  browser().wait_for("document.querySelector('[data-ready=boards] #published-board table')");
  EXPECT_EQ(cells("#published-board tbody tr > *"), rows) << "a later vote changes nothing that was published";
  check_view("boards-published-phone");
  view("#/boards/published", "boards");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#published tbody tr').length"), 1);
  EXPECT_EQ(browser().evaluate("document.querySelector('#published tbody th a').hash"), cat("#/boards/published/", id));
  check_view("boards-published");
  check_quiet();
}

TEST_F(BoardsPageTest, NobodyButReviewersIsOfferedToPublishAndAnUnknownOneIsNotFound) {
  start({"good", "other"});
  crowd(5);
  for (const auto& [role, name] :
       {std::pair{storage::Role::annotator, "kuyen"}, std::pair{storage::Role::auditor, "anahi"}}) {
    browser().new_page(1024, 768);
    join_public(role, name);
    view("#/boards", "boards");
    EXPECT_EQ(browser().evaluate("document.querySelector('#leaderboard table') !== null"), true);
    EXPECT_EQ(browser().evaluate("document.querySelector('#publish').hidden"), true) << name;
  }
  view(cat("#/boards/published/", new_uuid()), "boards");
  EXPECT_EQ(text_of("#main h1"), "Esta parte no se pudo abrir");
  EXPECT_NE(text_of("#main .view").find("No se encontró"), std::string::npos);
}

}  // namespace
}  // namespace afina::collector
