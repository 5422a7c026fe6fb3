// SPDX-License-Identifier: Apache-2.0
// Replies that never come, refusals in the middle, two windows and a database that the browser has cut: nothing is sent
// twice, nothing that was written is lost, and the page says how things stand.
#include "storage/transaction.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class LostReplyPageTest : public PageWorld {
 protected:
  void SetUp() override {
    start({"good", "other"});
    browser().new_page(1024, 768);
  }
  int64_t count(const std::string& table) {
    return database_->transaction(
        [&](storage::Transaction& t) { return t.exec(cat("SELECT count(*) AS n FROM ", table)).one().integer("n"); },
        {.workspace = storage::kEveryWorkspace});
  }
  void write(const std::string& selector, const std::string& text) {
    browser().run(cat("const box = document.querySelector('", selector,
                      "'); box.closest('details')?.setAttribute('open'"
                      ", ''); box.focus()"));
    browser().paste(text);
  }
  std::string value_of(const std::string& selector) {
    return browser().evaluate(cat("document.querySelector('", selector, "').value"));
  }
  std::string begin_task(int items) {
    join(storage::Role::engineer, "yaku");
    const std::string project = make_project("pairwise");
    add_items(project, items, {"Una respuesta", "Otra respuesta"});
    work(project);
    return project;
  }
  void wait_for_saved() { browser().wait_for("document.querySelector('#saved').dataset.state === 'draft_saved'"); }
};

TEST_F(LostReplyPageTest, AMessageThatIsSentAgainAfterALostReplyIsStoredOnce) {
  enter();
  lose_reply("POST .*messages$");
  ask("¿Dónde pago la luz?");
  browser().wait_for("document.querySelector('#message').value === '¿Dónde pago la luz?'");
  browser().click("#send");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(count("message WHERE role = 'user'"), 1);
  EXPECT_EQ(value_of("#message"), "");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.turn').length"), 1);
}

TEST_F(LostReplyPageTest, WhatIsWrittenWhileAMessageFailsStaysBehindIt) {
  enter();
  browser().run(
      "const real = fetch; globalThis.fetch = (path, options = {}) => (path.endsWith('/messages') ? new Promise((done, "
      "fail) => { globalThis.lose = () => fail(new TypeError('gone')); }) : real(path, options));");
  ask("primero");
  browser().wait_for("globalThis.lose");
  write("#message", "segundo");
  browser().run("lose()");
  browser().wait_for("document.querySelector('#message').value === 'primero\\n\\nsegundo'");
  reload();
  browser().wait_for("document.querySelector('#message')?.value === 'primero\\n\\nsegundo'");
}

TEST_F(LostReplyPageTest, ARefusedRegenerateLeavesThePairItsDraftAndTheReason) {
  pair();
  write("textarea.reason", "A cita la norma");
  answer_with("POST .*regenerate$", 503, "upstream_busy");
  browser().click(".vote .regenerate");
  browser().wait_for("document.querySelector('dialog[open]:not(#keys)')");
  browser().click("dialog[open] .danger");
  browser().wait_for("document.querySelector('#notice').innerText !== ''");
  EXPECT_EQ(value_of("textarea.reason"), "A cita la norma");
  reload();
  browser().wait_for("document.querySelector('textarea.reason')?.value === 'A cita la norma'");
  EXPECT_EQ(count("pair"), 1);
}

TEST_F(LostReplyPageTest, AConversationOlderThanTheListIsOpenedByItsAddress) {
  pair();
  const std::string hash = browser().evaluate("location.hash");
  browser().evaluate(
      "(async () => { for (let i = 0; i < 101; ++i) await fetch('/api/conversations', {method: 'POST', headers: "
      "{'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID()}, body: '{}'}); return true; })()");
  reload();
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('hola')");
  EXPECT_EQ(browser().evaluate("location.hash"), hash);
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#conversations li').length"), 100);
  browser().click("#older-chats");
  browser().wait_for("document.querySelectorAll('#conversations li').length === 102");
  EXPECT_EQ(browser().evaluate("document.querySelector('#older-chats').hidden"), true);
  EXPECT_EQ(text_of("#conversations li:last-child"), "hola");
  browser().run("location.hash = '#/chat/nobody'");
  browser().wait_for("location.hash === '#/chat' && !document.querySelector('#empty').hidden");
}

TEST_F(LostReplyPageTest, ATaskThatAnotherWindowSentGoesOnInItsOwn) {
  begin_task(2);
  const std::string first = question();
  // Another window holds the lock, finds this one's act in the table, and sends it.
  browser().run(
      "globalThis.free = null; globalThis.locked = new Promise((taken) => navigator.locks.request('afina.outbox', () "
      "=> "
      "{ taken(true); return new Promise((done) => { free = done; }); }));");
  browser().wait_for("globalThis.locked");
  browser().click("[data-outcome='3'] input");
  browser().click(".vote button.primary");
  browser().wait_for(
      "import('/js/idb.js').then(({openTable}) => openTable('afina', 'outbox', 'n').all()).then((rows) => { "
      "globalThis.row = rows[0]; return rows.length === 1; })");
  EXPECT_EQ(question(), first);
  browser().evaluate(
      "(async () => { const me = await (await fetch('/api/me')).json(); const answer = await (await fetch(row.path, "
      "{method: 'POST', headers: {'Content-Type': 'application/json', 'Idempotency-Key': row.key, 'X-CSRF-Token': "
      "me.csrf}, body: JSON.stringify(row.body)})).json(); await (await import('/js/idb.js')).openTable('afina', "
      "'outbox', 'n').remove(row.n); new BroadcastChannel('afina.outbox').postMessage({item: row, answer, error: "
      "null}); "
      "return true; })()");
  browser().wait_for(cat("document.querySelector('.prompt .body').innerText !== ", Json(first).dump()));
  browser().run("free()");
  sent();
  EXPECT_EQ(count("submission"), 1);
}

TEST_F(LostReplyPageTest, WhatIsTypedWhileADraftIsOnItsWayIsThereAfterComingBack) {
  const std::string project = begin_task(1);
  browser().click("[data-outcome='2'] input");
  wait_for_saved();
  hold("POST .*draft$");
  write("textarea.reason", "primero");
  held();
  write("textarea.reason", " y después");
  view("#/tasks", "tasks");
  let_go();
  work(project);
  browser().wait_for("document.querySelector('textarea.reason').value === 'primero y después'");
  wait_for_saved();
}

TEST_F(LostReplyPageTest, AnotherWindowsDraftIsNotOverwrittenBeforeAChoice) {
  const std::string project = begin_task(1);
  browser().click("[data-outcome='2'] input");
  wait_for_saved();
  const Json task = api("POST", cat("/api/projects/", project, "/next"), Json::object()).at("json").at("task");
  const std::string path = cat("/api/assignments/", task.at("assignment").get<std::string>(), "/draft");
  ASSERT_EQ(api("POST", path, {{"rev", task.at("draft").at("rev")}, {"body", {{"outcome", -2}, {"reason", "la otra"}}}})
                .at("status"),
            200);
  write("textarea.reason", "la mía");
  browser().wait_for("document.querySelector('#saved').dataset.state === 'draft_stale'");
  write("textarea.reason", " sigue");
  const auto stored = [&] {
    return api("POST", cat("/api/projects/", project, "/next"), Json::object())
        .at("json")
        .at("task")
        .at("draft")
        .at("body")
        .at("reason");
  };
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#saved button').length"), 2) << "the choice stays";
  // Not even by a reload, which asks again.
  reload();
  browser().wait_for("document.querySelectorAll('#saved button').length === 2");
  EXPECT_EQ(value_of("textarea.reason"), "la mía sigue");
  EXPECT_EQ(stored(), "la otra");
  browser().click("#saved button:last-child");
  wait_for_saved();
  EXPECT_EQ(stored(), "la mía sigue");
}

TEST_F(LostReplyPageTest, AVoteIsSentWhereTheBrowserHasCutItsDatabaseAndWhereItHasNone) {
  pair();
  // Once, as after a long time in the background; then for good, as on a full disk.
  for (const char* failing : {"broken-- > 0", "true"}) {
    browser().run(
        cat("let broken = 1; const real = IDBDatabase.prototype.real || IDBDatabase.prototype.transaction; "
            "IDBDatabase.prototype.real = real; IDBDatabase.prototype.transaction = function (...given) { if (",
            failing, ") throw new DOMException('cut', 'InvalidStateError'); return real.apply(this, given); };"));
    vote("3");
    browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
    browser().run("IDBDatabase.prototype.transaction = IDBDatabase.prototype.real");
    browser().click("#new-chat");
    ask("otra");
    browser().wait_for(
        "document.querySelector('.mine')?.innerText.includes('otra') && document.querySelector('.vote')");
  }
  EXPECT_EQ(count("preference"), 2);
}

TEST_F(LostReplyPageTest, AViewWhoseFileDoesNotComeSaysSoAndOffersToTryAgain) {
  enter();
  browser().evaluate(
      "import('/js/router.js').then(({addView}) => addView('missing', {load: () => Promise.reject(new "
      "TypeError('no')), "
      "who: ['visitor'], title: 'nav_boards'}))");
  browser().run("location.hash = '#/missing'");
  browser().wait_for("document.querySelector('[data-ready=missing][data-failed=true] button')");
  EXPECT_EQ(text_of("[data-ready=missing] [role=alert]"), "No hay conexión con el servidor.");
}

TEST_F(LostReplyPageTest, ATaskThatWasReservedLongAgoIsReservedAnewBeforeItIsShown) {
  join(storage::Role::engineer, "yaku");
  const Json made =
      api("POST", "/api/projects",
          {{"name", "Breve"}, {"kind", "pairwise"}, {"guidelines", "Lee."}, {"overlap", 1}, {"lease_seconds", 60}});
  ASSERT_EQ(made.at("status"), 201) << made.dump();
  const std::string project = made.at("json").at("id");
  add_items(project, 2, {"Una respuesta", "Otra respuesta"});
  work(project);
  browser().run(
      "const real = fetch; globalThis.nexts = []; globalThis.fetch = (path, options = {}) => { if "
      "(path.endsWith('/next')) nexts.push(options.body); return real(path, options); };");
  const std::string first = question();
  browser().click("[data-outcome='3'] input");
  browser().click(".vote button.primary");
  browser().wait_for(cat("document.querySelector('.prompt .body').innerText !== ", Json(first).dump()));
  EXPECT_EQ(browser().evaluate("nexts[0]"), "{}") << "what was loaded ahead has little time left";
}

}  // namespace
}  // namespace afina::collector
