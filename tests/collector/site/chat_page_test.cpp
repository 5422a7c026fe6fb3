// SPDX-License-Identifier: Apache-2.0
// What somebody says about answers is theirs until it is sent: it outlives a reload, another language, another view, a
// vote taken back and a vote that was refused. And where the page leads them while they write.
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

/// Two models that say one text at once.
class Saying {
 public:
  explicit Saying(std::string text) : text_(std::move(text)) {
    server_.route("POST", "/v1/chat/completions", [this](const http::Request&, http::Response& response) {
      response.stream([this](http::SseWriter& writer) {
        writer.send(Json{{"choices", {{{"index", 0}, {"delta", {{"content", text_}}}}}}}.dump());
        writer.send(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
        writer.send("[DONE]");
      });
    });
    server_.start();
  }
  std::string url() const { return server_.address(); }

 private:
  const std::string text_;
  http::Server server_;
};

class ChatPageTest : public PageWorld {
 protected:
  void pair(int width = 1024, int height = 768) {
    start({"good", "other"});
    browser().new_page(width, height);
    enter();
    ask("hola");
    browser().wait_for("document.querySelector('.vote')");
  }
  void write(const std::string& selector, const std::string& text) {
    browser().run(
        cat("document.querySelector('details.more').open = true; document.querySelector('", selector, "').focus()"));
    browser().paste(text);
  }
  /// A verdict, a reason and a rewrite, not sent.
  void say_without_sending() {
    browser().click("[data-outcome='2'] input");
    write("textarea.reason", "A cita la norma");
    write("textarea.rewrite", "Mi versión");
  }
  std::string said() {
    return browser().evaluate(
        "[document.querySelector('.vote input:checked')?.value, document.querySelector('textarea.reason')?.value, "
        "document.querySelector('textarea.rewrite')?.value].join('|')");
  }
  Json drafts() {
    return browser().evaluate("Object.keys(localStorage).filter((name) => name.startsWith('afina.draft')).length");
  }
  std::string focus() {
    return browser().evaluate("document.activeElement.closest('.turn') ? 'turn' : document.activeElement.tagName");
  }
  std::string exposure() {
    const std::string id = browser().evaluate("location.hash.split('/')[2]");
    return api("GET", cat("/api/conversations/", id)).at("json").at("turns").at(0).at("exposure");
  }
};

constexpr const char* kAll = "2|A cita la norma|Mi versión";

TEST_F(ChatPageTest, WhatIsWrittenAboutAPairIsThereAfterAReloadAnotherLanguageAndAnotherView) {
  pair();
  say_without_sending();
  reload();
  browser().wait_for("document.querySelector('textarea.rewrite')");
  EXPECT_EQ(said(), kAll);
  choose_language("pt");
  browser().wait_for("document.querySelector('.vote legend')?.innerText === 'Qual resposta é melhor?'");
  EXPECT_EQ(said(), kAll);
  choose_language("es");
  view("#/boards", "boards");
  view("#/chat", "chat");
  browser().wait_for("document.querySelector('textarea.rewrite')");
  EXPECT_EQ(said(), kAll);
  shot("draft-restored");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(drafts(), 0) << "what was sent is no draft";
  // Taken back, it is in the form again.
  browser().click(".undo");
  browser().wait_for("document.querySelector('.vote textarea.rewrite')");
  EXPECT_EQ(said(), kAll);
  EXPECT_EQ(browser().evaluate("document.activeElement.value"), "2");
  check_quiet();
}

TEST_F(ChatPageTest, NobodyElseOnTheDeviceSeesADraftAndWhoLeavesLeavesNone) {
  pair();
  say_without_sending();
  browser().wait_for("Object.keys(localStorage).some((name) => name.startsWith('afina.draft.about.'))");
  const std::string about = exposure();
  join(storage::Role::annotator, "kuyen");
  EXPECT_EQ(browser().evaluate("document.querySelector('#message').value"), "");
  EXPECT_EQ(browser().evaluate(cat("import('/js/vote_drafts.js').then(({draftOf}) => draftOf('", about, "'))")),
            nullptr);
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(said(), "||");
  say_without_sending();
  EXPECT_EQ(browser().evaluate("Object.keys(localStorage).filter((name) => "
                               "name.startsWith('afina.draft.about.')).length"),
            1)
      << "the other's is gone as soon as somebody else writes";
  view("#/me", "me");
  browser().click("#leave");
  browser().click("dialog[open] .danger");
  // Signed out, the browser is again the visitor's who was here before.
  browser().wait_for("document.querySelector('[data-ready=chat]') && document.querySelector('.vote')");
  EXPECT_EQ(said(), "||");
  EXPECT_EQ(drafts(), 0);
}

TEST_F(ChatPageTest, ARefusedVoteIsToldAndItsWordsAreOfferedAgain) {
  pair();
  const std::string about = exposure();
  say_without_sending();
  // Another window of the same person was faster.
  ASSERT_LT(api("POST", "/api/votes", {{"exposure", about}, {"outcome", -3}}).at("status"), 300);
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('B es mucho mejor')");
  browser().wait_for("document.querySelector('#notice').innerText.includes('Ya votaste en esta pareja')");
  EXPECT_NE(text_of(".after .refused").find("Tu voto no se guardó"), std::string::npos);
  EXPECT_EQ(browser().evaluate("document.activeElement.classList.contains('edit')"), true) << focus();
  check_view("vote-refused");
  reload();
  browser().wait_for("document.querySelector('.after .refused')");
  browser().click(".edit");
  EXPECT_EQ(said(), kAll);
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('A es mejor')");
  sent();
  EXPECT_EQ(browser().evaluate("document.querySelector('.after .refused')"), nullptr);
  EXPECT_EQ(drafts(), 0);
}

TEST_F(ChatPageTest, WordsThatNoVoteTakesAnyMoreCanBeCopied) {
  pair();
  const std::string about = exposure();
  say_without_sending();
  ASSERT_LT(api("POST", "/api/votes", {{"exposure", about}, {"outcome", -3}}).at("status"), 300);
  ASSERT_LT(api("POST", cat("/api/pairs/", about, "/reveal"), Json::object()).at("status"), 300);
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.left blockquote')");
  EXPECT_NE(text_of(".left").find("Mi versión"), std::string::npos);
  EXPECT_NE(text_of("#notice").find("Tu voto no se guardó"), std::string::npos);
  browser().click(".words-drop");
  EXPECT_EQ(browser().evaluate("document.querySelector('.left')"), nullptr);
  EXPECT_EQ(drafts(), 0);
}

TEST_F(ChatPageTest, OneKeyNeitherLeavesNorReplacesWhatSomebodyWroteAbout) {
  pair();
  say_without_sending();
  browser().run("document.activeElement.blur()");
  browser().press("n");
  browser().wait_for("document.querySelector('dialog[open]:not(#keys)')");
  browser().click("dialog[open] button:not(.danger)");
  EXPECT_EQ(said(), kAll);
  browser().click(".vote .regenerate");
  browser().wait_for("document.querySelector('dialog[open]:not(#keys)')");
  browser().click("dialog[open] button:not(.danger)");
  EXPECT_EQ(said(), kAll);
  browser().click(".vote .regenerate");
  browser().wait_for("document.querySelector('dialog[open]:not(#keys)')");
  browser().click("dialog[open] .danger");
  browser().wait_for("document.querySelector('.vote') && !document.querySelector('.vote input:checked')");
  EXPECT_EQ(said(), "||") << "they were about others";
  EXPECT_EQ(focus(), "turn");
  browser().run("document.activeElement.blur()");
  browser().press("n");
  browser().wait_for("!document.querySelector('#empty').hidden");
}

TEST_F(ChatPageTest, ANewConversationIsNotOverriddenByOneThatComesLate) {
  pair();
  const std::string id = browser().evaluate("location.hash.split('/')[2]");
  // The answer is held until the page has gone on.
  browser().run(
      "const real = fetch, held = new Promise((open) => { globalThis.letGo = open; }); globalThis.asked = 0; "
      "globalThis.fetch = async (path, options) => { if (/conversations\\/[0-9a-f-]+$/.test(path)) { ++asked; await "
      "held; } return real(path, options); };");
  browser().click("#conversations li button");
  browser().wait_for("globalThis.asked === 1");
  browser().click("#new-chat");
  browser().run("letGo(); globalThis.passed = fetch('/api/me').then(() => true)");
  browser().wait_for("globalThis.passed.then(() => new Promise((done) => setTimeout(() => done(true))))");
  ask("para una nueva");
  browser().wait_for("document.querySelector('.mine')?.innerText.includes('para una nueva')");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_NE(browser().evaluate("location.hash.split('/')[2]"), id);
  EXPECT_EQ(api("GET", cat("/api/conversations/", id)).at("json").at("turns").size(), 1u);
}

TEST_F(ChatPageTest, TooMuchTextIsCountedAndNeverCutOff) {
  pair(360, 740);
  write("textarea.rewrite", std::string(33'000, 'x'));
  browser().wait_for("document.querySelector('.part .room.problem')?.innerText.includes('Sobran 232')");
  browser().click("[data-outcome='2'] input");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.vote .refusal').innerText.includes('demasiado largo')");
  EXPECT_EQ(browser().evaluate("document.activeElement.className"), "rewrite");
  check_view("too-long");
  browser().run(
      "const box = document.querySelector('textarea.rewrite'); box.value = 'ñ'.repeat(16384); "
      "box.dispatchEvent(new Event('input'))");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  browser().wait_for("document.querySelector('#waiting').hidden");
}

TEST_F(ChatPageTest, AMessageThatIsTooLongStaysWholeInTheBox) {
  start({"good", "other"});
  browser().new_page(360, 740);
  enter();
  EXPECT_EQ(browser().evaluate("document.querySelector('.composer .room').hidden"), true);
  ask(std::string(20'000, 'x'));
  browser().wait_for("document.querySelector('.composer .room').classList.contains('problem')");
  EXPECT_NE(text_of(".composer .room").find("Sobran 12.000"), std::string::npos) << text_of(".composer .room");
  EXPECT_EQ(browser().evaluate("document.querySelector('#message').value.length"), 20'000);
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.turn').length"), 0);
  check_view("message-too-long");
  browser().run(
      "const box = document.querySelector('#message'); box.value = box.value.slice(12000); "
      "box.dispatchEvent(new Event('input'))");
  browser().wait_for("document.querySelector('.composer .room').innerText.includes('Quedan 0')");
  browser().click("#send");
  browser().wait_for("document.querySelector('.vote')");
}

TEST_F(ChatPageTest, WhatRunsFromRightToLeftIsSetSoAndTablesAreTables) {
  Saying model(
      "مرحبا بكم في **البلدية**.\n\n- أولا\n- ثانيا\n\nTrámite y plazo:\n| Trámite | Plazo |\n|:--|--:|\n| Patente "
      "<b>x</b> | 5 "
      "días | y más |\n\n```\n| no | tabla |\n|---|---|\n```");
  start({}, pair_of(model.url()));
  browser().new_page(360, 740);
  enter();
  ask("شكرا لكم");
  browser().wait_for("document.querySelector('.vote')");
  const auto direction = [&](const std::string& selector) {
    return browser().evaluate(cat("getComputedStyle(document.querySelector('", selector, "')).direction"));
  };
  EXPECT_EQ(direction(".mine > [dir]"), "rtl");
  EXPECT_EQ(direction(".answer .body p"), "rtl");
  EXPECT_EQ(direction(".answer .body ul"), "rtl");
  EXPECT_EQ(direction(".answer .body table"), "ltr");
  for (const char* box : {"#message", "textarea.reason", "textarea.rewrite", "input.fragment"})
    EXPECT_EQ(browser().evaluate(cat("document.querySelector('", box, "').dir")), "auto") << box;
  EXPECT_EQ(browser().evaluate("[...document.querySelector('.answer table').rows].map((row) => "
                               "[...row.cells].map((cell) => cell.innerText).join('/')).join()"),
            "Trámite/Plazo,Patente <b>x</b>/5 días/y más")
      << "every cell, as text";
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.answer')[0].querySelectorAll('table').length"), 1)
      << "code stays code";
  // A fragment of a cell is told by its place in what was stored.
  browser().run(
      "const cell = document.querySelectorAll('.answer td')[1].firstChild; getSelection().setBaseAndExtent(cell, 0, "
      "cell, 1)");
  browser().wait_for("document.querySelector('input.fragment').value === '5'");
  check_view("right-to-left");
}

TEST_F(ChatPageTest, AFragmentIsTakenWhereverTheMouseIsLetGo) {
  pair();
  browser().run(
      "const text = document.createTreeWalker(document.querySelector('.answer .body'), 4).nextNode(); "
      "getSelection().setBaseAndExtent(text, 0, text, 3); document.body.dispatchEvent(new MouseEvent('mouseup', "
      "{bubbles: true}))");
  // Which answer stands first is drawn by chance.
  browser().wait_for(
      "document.querySelector('input.fragment').value === document.querySelector('.answer .body').innerText.slice(0, "
      "3)");
  EXPECT_EQ(browser().evaluate("document.querySelector('details.more').open"), true);
}

TEST_F(ChatPageTest, TheFocusGoesOnWithWhoeverSentAMessage) {
  start({"good", "other"});
  browser().new_page(360, 740);
  enter();
  browser().run("document.querySelector('#message').focus()");
  browser().paste("hola");
  browser().press("Enter");
  if (browser().evaluate("document.querySelectorAll('.turn').length") == 0) browser().click("#send");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(focus(), "turn");
  browser().click(".vote .regenerate");
  browser().wait_for("document.querySelector('#status').innerText.includes('Las dos respuestas están listas')");
  EXPECT_EQ(focus(), "turn");
  browser().click("#open-keys");
  browser().wait_for("document.querySelector('#keys').open");
  EXPECT_EQ(browser().evaluate("document.activeElement.id"), "keys-title");
  EXPECT_EQ(browser().evaluate("document.querySelector('#keys').scrollTop"), 0);
  shot("keys-phone");
}

TEST_F(ChatPageTest, ACommentThatWasNotSentIsThereAfterAReload) {
  start({"good"});
  browser().new_page(1024, 768);
  enter();
  browser().click("#two");
  ask("hola");
  browser().wait_for("document.querySelector('.note-single summary')");
  browser().click(".note-single summary");
  browser().wait_for("document.querySelector('.note-single textarea.reason')");
  write(".note-single textarea.reason", "Le falta la sal");
  reload();
  browser().wait_for("document.querySelector('.note-single summary')");
  browser().click(".note-single summary");
  browser().wait_for("document.querySelector('.note-single textarea.reason')?.value === 'Le falta la sal'");
  browser().click(".note-single button.primary");
  browser().wait_for("document.querySelector('.note-saved')");
  EXPECT_EQ(drafts(), 0);
}

TEST_F(ChatPageTest, AwayThePageSaysThatAMessageIsNotSentByItselfAndKeepsIt) {
  pair();
  vote("3");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  browser().set_offline(true);
  ask("¿Y sin sal?");
  browser().wait_for("document.querySelector('#away').innerText.includes('un mensaje nuevo no')");
  browser().wait_for("document.querySelector('#message').value === '¿Y sin sal?'");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.turn').length"), 1);
  browser().set_offline(false);
}

TEST_F(ChatPageTest, AModelWhoseServerFailsIsNotSaidToHaveRefused) {
  start({"broken"});
  browser().new_page(360, 740);
  enter();
  browser().click("#two");
  ask("hola");
  browser().wait_for("document.querySelector('.answer .problem')");
  EXPECT_EQ(text_of(".answer .problem"), "Esta respuesta falló: el modelo no está disponible");
}

}  // namespace
}  // namespace afina::collector
