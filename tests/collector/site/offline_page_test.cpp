// SPDX-License-Identifier: Apache-2.0
// The page without a network: the wire is pulled out, the page is loaded again, and what was on the device is there;
// what is done meanwhile is sent once when the wire is back. Without the worker nothing would be there.
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class OfflinePageTest : public PageWorld {
 protected:
  void begin() {
    start({"good", "other"});
    wire();
    browser().new_page(1024, 768);
  }
  /// The worker is there once it has kept every file.
  void wait_for_worker() { browser().wait_for("navigator.serviceWorker.controller?.state === 'activated'"); }
  void pull() {
    browser().set_offline(true);
    plug_->pull();
  }
  void plug_in() {
    plug_->plug_in();
    browser().set_offline(false);
  }
  void vote_offline() {
    enter();
    ask("¿Cómo hago pan sin horno?");
    browser().wait_for("document.querySelector('.vote')");
    wait_for_worker();
    pull();
    vote("both_bad");
    browser().wait_for("document.querySelector('#waiting').innerText.includes('Por enviar: 1')");
  }
  Json kept_rows() {
    return browser().evaluate(
        "import('/js/idb.js').then(({openTable}) => Promise.all([openTable('afina.kept', 'kept', 'name').all(), "
        "openTable('afina', 'outbox', 'n').all()])).then((lists) => lists.map((rows) => rows.length))");
  }
};

TEST_F(OfflinePageTest, AReloadShowsTheConversationAndTheVoteThatWaitsAndItIsSentOnce) {
  begin();
  vote_offline();
  reload();
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('Las dos son malas')");
  EXPECT_EQ(browser().evaluate("document.querySelector('.mine').innerText.includes('pan sin horno')"), true);
  EXPECT_NE(text_of(".after").find("Sin conexión"), std::string::npos);
  EXPECT_NE(text_of("#waiting").find("Por enviar: 1"), std::string::npos);
  EXPECT_NE(text_of("#away").find("Sin conexión"), std::string::npos);
  check_view("offline-reload");
  EXPECT_EQ(votes(), 0);
  reload();  // a second one sends nothing twice
  browser().wait_for("document.querySelector('.voted')");
  plug_in();
  browser().wait_for("document.querySelector('#waiting').hidden && document.querySelector('#away').hidden");
  browser().wait_for("!document.querySelector('.after .waiting-line')");
  EXPECT_EQ(votes(), 1);
  reload();
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('Las dos son malas')");
  EXPECT_EQ(votes(), 1);
  check_quiet();
}

TEST_F(OfflinePageTest, WithoutTheWorkerAReloadShowsNothing) {
  begin();
  vote_offline();
  EXPECT_EQ(browser().evaluate("navigator.serviceWorker.getRegistration().then((worker) => worker.unregister())"),
            true);
  EXPECT_THROW(browser().go(cat(address(), "/")), std::runtime_error);
  EXPECT_EQ(browser().evaluate("document.querySelector('.voted')"), nullptr);
}

TEST_F(OfflinePageTest, ACommentWaitsCalmlyAndIsSentOnce) {
  begin();
  enter();
  browser().click("#two");
  ask("hola");
  browser().wait_for("document.querySelector('.note-single summary')");
  wait_for_worker();
  pull();
  browser().click(".note-single summary");
  browser().wait_for("document.querySelector('.note-single textarea.reason')");
  browser().click(".note-single textarea.reason");
  browser().paste("Le falta la sal");
  browser().click(".note-single button.primary");
  browser().wait_for("document.querySelector('.note-saved')?.innerText.includes('se enviará solo')");
  EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('.refusal, #notice')].every((line) => line.hidden)"),
            true)
      << "what will be sent by itself is no failure";
  check_view("offline-comment");
  reload();
  browser().wait_for("document.querySelector('.note-saved.calm')");
  plug_in();
  browser().wait_for("document.querySelector('.note-saved.done')");
  const std::string id = browser().evaluate("location.hash.split('/')[2]");
  EXPECT_EQ(api("GET", cat("/api/conversations/", id)).at("json").at("turns").at(0).at("note").at("reason"),
            "Le falta la sal");
  EXPECT_EQ(kept_rows().at(1), 0) << "nothing is left to send";
  check_quiet();
}

TEST_F(OfflinePageTest, ConversationsThatWereOpenedHereOpenWithoutANetwork) {
  begin();
  enter();
  ask("la primera");
  browser().wait_for("document.querySelector('.vote')");
  browser().click("#new-chat");
  browser().wait_for("!document.querySelector('#empty').hidden");
  ask("la segunda");
  browser().wait_for("document.querySelector('.vote')");
  wait_for_worker();
  pull();
  reload();
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('la segunda')");
  browser().click("#conversations li:nth-child(2) button");
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('la primera')");
  EXPECT_EQ(browser().evaluate("document.querySelector('#notice').hidden"), true);
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#conversations li').length"), 2);
  plug_in();
}

TEST_F(OfflinePageTest, ATaskInHandIsThereAfterAReloadAndItsAnswerWaits) {
  begin();
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 2, {"Una respuesta", "Otra respuesta"});
  work(project);
  wait_for_worker();
  const std::string first = question();
  pull();
  browser().run("document.activeElement.blur()");
  browser().press("2");
  browser().press("e");
  browser().type("A cita la norma");
  browser().wait_for("document.querySelector('#saved').dataset.state === 'draft_local'");
  reload();
  browser().wait_for("document.querySelector('.desk .vote input:checked')?.value === '2'");
  EXPECT_EQ(question(), first);
  EXPECT_EQ(browser().evaluate("document.querySelector('textarea.reason').value"), "A cita la norma");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('#waiting').innerText.includes('Por enviar: 1')");
  browser().wait_for("document.querySelector('#desk .empty')");
  check_view("offline-task");
  reload();
  browser().wait_for("document.querySelector('#desk .empty')");
  EXPECT_EQ(text_of("#desk .empty h2"), "Sin conexión: el siguiente ítem llegará cuando vuelva.")
      << "what was sent is not shown again";
  plug_in();
  browser().wait_for("document.querySelector('#waiting').hidden");
  EXPECT_EQ(api("GET", "/api/projects").at("json").at("projects").at(0).at("mine_done"), 1);
  EXPECT_EQ(browser().evaluate("Object.keys(localStorage).filter((name) => name.startsWith('afina.task')).length"), 0);
}

TEST_F(OfflinePageTest, WhoLeavesLeavesNothingOnTheDevice) {
  begin();
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  wait_for_worker();
  browser().wait_for("import('/js/kept.js').then(({kept}) => kept('conversation/' + location.hash.split('/')[2]))");
  EXPECT_GE(kept_rows().at(0).get<int>(), 3);
  const Json cached = browser().evaluate(
      "caches.keys().then((names) => Promise.all(names.map((name) => caches.open(name)))).then((all) => "
      "Promise.all(all.map((one) => one.keys()))).then((lists) => lists.flat().map(({url}) => new URL(url).pathname))");
  EXPECT_GT(cached.size(), 50u);
  for (const std::string path : cached)
    EXPECT_FALSE(path.starts_with("/api/") || path.starts_with("/v1/")) << path << " is somebody's, not the page's";
  view("#/me", "me");
  browser().click("#leave");
  browser().click("dialog[open] .danger");
  browser().wait_for("document.querySelector('[data-ready=consent]')");
  EXPECT_EQ(kept_rows(), Json::parse("[0, 0]"));
  pull();
  reload();
  browser().wait_for("document.querySelector('#away') && !document.querySelector('#away').hidden");
  EXPECT_EQ(browser().evaluate("document.body.innerText.includes('hola')"), false);
  EXPECT_EQ(text_of("#main h1"), "Esta parte no se pudo abrir");
  check_view("offline-nobody");
  plug_in();
  browser().wait_for("document.querySelector('[data-ready=consent] #consent-title')");
}

TEST_F(OfflinePageTest, WhatIsKeptOfSomebodyIsShownToNobodyElse) {
  begin();
  enter();
  ask("un secreto");
  browser().wait_for("document.querySelector('.vote')");
  wait_for_worker();
  join(storage::Role::annotator, "kuyen");
  pull();
  reload();
  browser().wait_for("!document.querySelector('#away').hidden");
  browser().wait_for("document.querySelector('[data-ready]')");
  EXPECT_EQ(text_of("#nav a[data-view=me]"), "kuyen");
  EXPECT_EQ(browser().evaluate("document.body.innerText.includes('un secreto')"), false);
  plug_in();
}

}  // namespace
}  // namespace afina::collector
