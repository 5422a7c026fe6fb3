// SPDX-License-Identifier: Apache-2.0
// What people do after an answer stands there: ask for another, be warned that it names its maker, comment on it, take
// everything back. And the choice of the pair that tells most, from the question to the reveal.
#include <condition_variable>
#include <mutex>

#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

/// A model that says its first piece, waits until it is let go on, and says the rest.
class Speaker {
 public:
  Speaker(std::string first, std::string rest) : first_(std::move(first)), rest_(std::move(rest)) {
    server_.route("POST", "/v1/chat/completions", [this](const http::Request&, http::Response& response) {
      response.stream([this](http::SseWriter& writer) {
        const auto say = [&](const std::string& text) {
          writer.send(Json{{"choices", {{{"index", 0}, {"delta", {{"content", text}}}}}}}.dump());
        };
        say(first_);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, writer.stop_token(), [&] { return open_; });
        say(rest_);
        writer.send(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
        writer.send("[DONE]");
      });
    });
    server_.start();
  }
  ~Speaker() { open(); }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  std::string url() const { return server_.address(); }

 private:
  const std::string first_, rest_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
  http::Server server_;
};

class ActsPageTest : public PageWorld {
 protected:
  Json conversation() {
    const std::string id = browser().evaluate("location.hash.split('/')[2]");
    return api("GET", cat("/api/conversations/", id)).at("json");
  }
  void single_answer() {
    start({"good"});
    browser().new_page(1024, 768);
    enter();
    browser().click("#two");
    ask("hola");
    browser().wait_for("document.querySelector('.note-single summary')");
  }
  /// Selects a word of the answer as a mouse does it and lets the button go.
  void select_in_answer(const std::string& word) {
    browser().run(
        cat("const body = document.querySelector('.answer .body'), walk = document.createTreeWalker(body, 4); "
            "for (let node; (node = walk.nextNode());) { const at = node.data.indexOf('",
            word, "'); if (at < 0) continue; getSelection().setBaseAndExtent(node, at, node, at + '", word,
            "'.length); } body.dispatchEvent(new MouseEvent('mouseup', {bubbles: true}));"));
  }
};

TEST_F(ActsPageTest, OtherAnswersTakeThePlaceOfAPairAndOnlyTheyAreVotedOn) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote .regenerate')");
  const Json before = conversation().at("turns").at(0);
  browser().click("[data-outcome='3'] input");
  browser().click(".vote .regenerate");
  browser().wait_for("document.querySelector('#status').innerText.includes('Las dos respuestas están listas')");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(fake_.requests().size(), 4u) << "two more were asked for";
  const Json after = conversation().at("turns").at(0);
  EXPECT_NE(after.at("exposure"), before.at("exposure"));
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.turn').length"), 1);
  vote("-3");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(votes(), 1);
  EXPECT_EQ(conversation().at("turns").at(0).at("vote").at("outcome"), -3);
  check_quiet();
}

TEST_F(ActsPageTest, AnAnswerThatNamesItsMakerIsToldWhileItIsWritten) {
  Speaker braggart("Soy ChatGPT, un modelo de OpenAI. ", "El pan se hace con harina.");
  start({}, pair_of(braggart.url()));
  browser().new_page(360, 740);
  enter();
  ask("hola");
  browser().wait_for("document.querySelectorAll('.leak:not([hidden])').length === 2");
  EXPECT_EQ(browser().evaluate("document.querySelector('.answers').getAttribute('aria-busy')"), "true")
      << "before the answer is whole";
  EXPECT_NE(text_of(".leak").find("parece decir quién la escribió"), std::string::npos);
  braggart.open();
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.leak:not([hidden])').length"), 2);
  check_view("leak");
  reload();
  browser().wait_for("document.querySelectorAll('.leak:not([hidden])').length === 2");
}

TEST_F(ActsPageTest, TenThousandCharactersAndAWordWithoutEndFitAnyWindow) {
  std::string text = cat("# Título ", std::string(300, 'w'), "\n\n", std::string(600, 'x'), "\n\n```\n",
                         std::string(400, 'c'), "\n```\n\n- ", std::string(200, 'y'), "\n\n");
  while (text.size() < 10'000)
    text += "Una frase larga que sigue y sigue. ";
  Speaker speaker("", text);
  speaker.open();
  start({}, pair_of(speaker.url()));
  browser().new_page(360, 740);
  enter();
  ask(std::string(300, 'q'));
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_GE(browser().evaluate("document.querySelector('.answer .body').innerText.length").get<int>(), 9'900);
  check_view("long-phone");
  browser().new_page(1280, 860, true);
  enter();
  ask(std::string(300, 'q'));
  browser().wait_for("document.querySelector('.vote')");
  check_view("long-desktop-dark");
  EXPECT_EQ(browser().evaluate("document.querySelector('.answers').getBoundingClientRect().width <= "
                               "document.querySelector('.turns').getBoundingClientRect().width"),
            true);
}

TEST_F(ActsPageTest, ASingleAnswerIsRatedFlaggedMarkedAndRewritten) {
  single_answer();
  browser().click(".note-single summary");
  browser().wait_for("document.querySelector('.note-single textarea.rewrite')");
  browser().run(
      "const box = document.querySelector('select[aria-label=\"Veraz, Respuesta\"]'); box.value = '2'; "
      "box.dispatchEvent(new Event('change'))");
  browser().click(".flags > div:nth-of-type(3) input[type=checkbox]");
  select_in_answer("ñandú");
  browser().wait_for("document.querySelector('input.fragment').value === 'ñandú'");
  browser().click(".note-form button");
  browser().wait_for("document.querySelector('.notes li q')?.innerText.includes('ñandú')");
  browser().click("textarea.rewrite");
  browser().paste("Una respuesta mejor.");
  browser().click("textarea.reason");
  browser().paste("El ñandú no viene al caso");
  check_view("note-single");
  browser().click(".note-single button.primary");
  browser().wait_for("document.querySelector('.note-saved')");
  const Json stored = conversation().at("turns").at(0).at("note"), note = stored.at("details");
  EXPECT_EQ(note.at("aspects"), Json::parse(R"([{"aspect": "truthful", "side": "only", "value": 2}])"));
  EXPECT_EQ(note.at("flags").at(0).at("kind"), "hallucination");
  const std::string text = FakeUpstream::text_of("good");
  EXPECT_EQ(note.at("spans").at(0).at("end").get<int>() - note.at("spans").at(0).at("start").get<int>(), 5)
      << "code points, not bytes";
  EXPECT_EQ(note.at("rewrite"), "Una respuesta mejor.");
  EXPECT_EQ(stored.at("reason"), "El ñandú no viene al caso");
  // It can be seen and mended afterwards.
  reload();
  browser().wait_for("document.querySelector('.note-single summary')");
  browser().click(".note-single summary");
  browser().wait_for("document.querySelector('textarea.rewrite')?.value === 'Una respuesta mejor.'");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.notes li').length"), 1);
  check_quiet();
}

TEST_F(ActsPageTest, AnAccountTakesEverythingBackAndTheDeviceForgets) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  join(storage::Role::annotator, "kuyen");
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  vote("3");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(votes(), 1);
  view("#/me", "me");
  browser().click("#rights .danger");
  browser().wait_for("document.querySelector('dialog[open]')");
  check_view("withdraw-sure");
  browser().click("dialog[open] form button:not(.danger)");
  EXPECT_EQ(votes(), 1) << "a second thought changes nothing";
  browser().click("#rights .danger");
  browser().click("dialog[open] .danger");
  browser().wait_for("document.querySelector('#rights .done')");
  EXPECT_NE(text_of("#rights .done").find("Votos retirados: 1"), std::string::npos);
  EXPECT_EQ(votes(), 0);
  EXPECT_EQ(browser().evaluate("import('/js/kept.js').then(({kept}) => kept('conversation'))"), nullptr);
  view("#/chat", "consent");
  EXPECT_EQ(browser().evaluate("document.body.innerText.includes('hola')"), false);
}

TEST_F(ActsPageTest, TheMostInformativePairIsAskedVotedOnAndRevealed) {
  CollectorConfig config;
  config.pairing = Pairing::informative;
  start({"good", "other", "third"}, config);
  browser().new_page(1024, 768);
  enter();
  std::set<std::string> seen;
  for (int i = 1; i <= 3; ++i) {
    ask(cat("Pregunta ", i));
    browser().wait_for(cat("document.querySelectorAll('.turn').length === ", i,
                           " && [...document.querySelectorAll('.turn')].at(-1).querySelector('.vote')"));
    vote("3");
    sent();
    browser().run("[...document.querySelectorAll('.reveal')].at(-1).click()");
    browser().wait_for(cat("document.querySelectorAll('.revealed').length === ", i));
    const Json reveal = conversation().at("turns").at(static_cast<size_t>(i - 1)).at("reveal");
    EXPECT_NE(reveal.at("a"), reveal.at("b"));
    for (const char* side : {"a", "b"})
      seen.insert(reveal.at(side).get<std::string>());
  }
  // Counts are read every few seconds, so that quick votes meet equal pairs, drawn at random: which ones is asked in
  // judgements/informative_test.cpp, with counts of its own.
  EXPECT_GE(seen.size(), 2U);
  EXPECT_EQ(votes(), 3);
}

}  // namespace
}  // namespace afina::collector
