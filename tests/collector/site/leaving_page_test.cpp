// SPDX-License-Identifier: Apache-2.0
// People do not wait: they choose another view, another language or another conversation while something is on its way.
// What comes late neither calls them back nor acts for them, and nothing they sent or were told is lost by it.
#include "storage/transaction.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class LeavingPageTest : public PageWorld {
 protected:
  void SetUp() override {
    start({"good", "other"});
    browser().new_page(1280, 860);
  }
  /// As a click on a link of the bar, at whatever moment.
  void leave_for(const std::string& name) {
    browser().click(cat("#nav a[data-view=", name, "]"));
    browser().wait_for(cat("document.querySelector('[data-ready=", name, "]')"));
  }
  /// What the expression over a table's rows gives.
  Json stored(const std::string& expression, const std::string& table) {
    return database_->read([&](storage::Transaction& t) {
      return t.exec(cat("SELECT coalesce(to_json(", expression, "), 'null') AS value FROM ", table))
          .one()
          .json("value");
    });
  }
};

TEST_F(LeavingPageTest, AConversationThatComesLateDoesNotCallBackWhoHasChosenAnotherView) {
  pair();
  // The address is another one already, and nobody has been told so yet.
  const Json shown = browser().evaluate(
      "import('/js/router.js').then(({rename}) => { const root = document.querySelector('#main > .view'); "
      "location.hash = '#/boards'; rename(root, 'chat', 'late'); return location.hash; })");
  EXPECT_EQ(shown, "#/boards");
  browser().wait_for("document.querySelector('[data-ready=boards]')");
  // A view that is out of the page has no address at all.
  browser().evaluate(
      "import('/js/router.js').then(({rename}) => rename(document.createElement('div'), 'chat', 'late'))");
  EXPECT_EQ(browser().evaluate("location.hash"), "#/boards");
}

TEST_F(LeavingPageTest, AMessageSentInPassingArrivesAndIsNotInTheBoxAnyMore) {
  enter();
  hold("POST .*\\/messages$");
  ask("¿Cuánto tarda el permiso?");
  held();
  leave_for("boards");
  let_go();
  browser().wait_for("!Object.keys(localStorage).some((name) => name.startsWith('afina.draft.message'))");
  EXPECT_EQ(browser().evaluate("location.hash"), "#/boards");
  leave_for("chat");
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('¿Cuánto tarda el permiso?')");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(browser().evaluate("document.querySelector('#message').value"), "");
}

TEST_F(LeavingPageTest, AMessageWhoseConversationWasNotThereYetWaitsInTheBox) {
  enter();
  hold("POST \\/api\\/conversations$");
  ask("¿Cuánto tarda el permiso?");
  held();
  leave_for("boards");
  let_go();
  EXPECT_EQ(browser().evaluate("location.hash"), "#/boards");
  EXPECT_EQ(stored("count(*)", "message"), 0);
  leave_for("chat");
  EXPECT_EQ(browser().evaluate("document.querySelector('#message').value"), "¿Cuánto tarda el permiso?");
}

TEST_F(LeavingPageTest, WhoLeavesWhileATaskIsHandedInGetsNoOtherOneAndNoKeysOfIt) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 2, {"Una respuesta", "Otra respuesta"});
  work(project);
  hold("POST .*\\/submit$", true);
  browser().click("[data-outcome='3'] input");
  browser().click(".vote button.primary");
  held();
  leave_for("tasks");
  let_go();
  sent();
  EXPECT_EQ(browser().evaluate("Object.keys(localStorage).filter((name) => name.startsWith('afina.task.')).length"), 0)
      << "what was handed in is no draft";
  browser().run("document.activeElement.blur()");
  browser().press("s");
  EXPECT_EQ(browser().evaluate("document.querySelector('dialog[open]')"), nullptr);
  browser().press("?");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#keys-list dt').length"), 1) << "only the sheet's own";
}

TEST_F(LeavingPageTest, ARefusedTaskIsSavedAgainWhileItIsMended) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 1, {"Una respuesta", "Otra respuesta"});
  work(project);
  browser().click("[data-outcome='3'] input");
  browser().run(
      "document.querySelector('details.more').open = true; const box = document.querySelector('textarea.rewrite'); "
      "box.value = 'x'.repeat(40000); box.dispatchEvent(new Event('input', {bubbles: true}))");
  browser().click(".vote button.primary");
  browser().wait_for("!document.querySelector('.vote .refusal').hidden");
  browser().run(
      "const box = document.querySelector('textarea.rewrite'); box.value = 'Mi versión'; "
      "box.dispatchEvent(new Event('input', {bubbles: true}))");
  browser().wait_for("document.querySelector('#saved').dataset.state === 'draft_saved'");
  reload();
  browser().wait_for("document.querySelector('textarea.rewrite')?.value === 'Mi versión'");
}

TEST_F(LeavingPageTest, AReceiptIsThereUntilThePersonSaysThatItIsKept) {
  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('[data-ready=consent]')");
  choose_language("es");
  browser().wait_for("document.querySelector('[data-ready=consent] input[value=adult]')");
  for (const char* purpose : {"adult", "collect"})
    browser().click(cat("input[value=", purpose, "]"));
  browser().click("#consent-form button.primary");
  browser().wait_for("document.querySelector('#receipt-code')");
  const std::string code = text_of("#receipt-code");
  choose_language("pt");
  browser().wait_for("document.querySelector('#receipt-code')");
  EXPECT_EQ(text_of("#receipt-code"), code);
  leave_for("boards");
  view("#/chat", "consent");
  EXPECT_EQ(text_of("#receipt-code"), code);
  browser().click("#receipt-done");
  browser().wait_for("document.querySelector('#empty') && !document.querySelector('#empty').hidden");
  browser().run("location.hash = '#/consent'");
  browser().wait_for("document.querySelector('[data-ready=consent]')");
  EXPECT_EQ(browser().evaluate("document.querySelector('#receipt-code')"), nullptr) << "kept, and not shown again";
}

TEST_F(LeavingPageTest, AMembersReceiptOutlivesAChangeOfLanguageToo) {
  browser().go(cat(address(), "/join#", invite(storage::Role::annotator)));
  browser().wait_for("document.querySelector('[data-ready=join] input[name=name]')");
  browser().click("input[name=name]");
  browser().paste("kuyen");
  browser().click("input[name=password]");
  browser().paste(kPassphrase);
  for (const char* purpose : {"adult", "collect"})
    browser().click(cat("input[value=", purpose, "]"));
  browser().click("#view-join form button.primary");
  browser().wait_for("document.querySelector('#receipt-code')");
  const std::string code = text_of("#receipt-code");
  choose_language("pt");
  browser().wait_for("document.querySelector('#receipt-code')");
  EXPECT_EQ(text_of("#receipt-code"), code);
  browser().click("#receipt-done");
  browser().wait_for("document.querySelector('[data-ready=chat]')");
}

TEST_F(LeavingPageTest, TheTimeOfAVoteIsThatOfItsOwnPair) {
  pair();
  browser().click("#new-chat");
  ask("otra");
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('otra') && document.querySelector('.vote')");
  // An older pair, opened again: nobody knows how long it was looked at.
  browser().click("#conversations li:last-child button");
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('hola')");
  vote("3");
  sent();
  EXPECT_EQ(stored("array_agg(ms_to_decide)", "preference"), Json::array({nullptr}));
  browser().click("#new-chat");
  ask("una más");
  browser().wait_for(
      "document.querySelector('.mine')?.innerText.includes('una más') && document.querySelector('.vote')");
  vote("3");
  sent();
  EXPECT_EQ(stored("count(ms_to_decide)", "preference"), 1) << "one that was just written has its time";
}

}  // namespace
}  // namespace afina::collector
