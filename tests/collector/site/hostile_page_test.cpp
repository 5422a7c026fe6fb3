// SPDX-License-Identifier: Apache-2.0
// What a model or a person writes is text: sixty hostile ones as message, answer, title of a conversation, guidelines,
// task and name, and nothing of them runs, loads, asks or renames anything.
#include <atomic>

#include "tests/collector/site/hostile_texts.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

/// An OpenAI-compatible server whose answer is the last message, in two pieces.
class EchoUpstream {
 public:
  EchoUpstream() {
    server_.route("POST", "/v1/chat/completions", [](const http::Request& request, http::Response& response) {
      const std::string text = request.json().at("messages").back().at("content");
      response.stream([text](http::SseWriter& writer) {
        size_t half = text.size() / 2;
        while (half > 0 && (static_cast<unsigned char>(text[half]) & 0xC0) == 0x80)
          --half;
        for (const std::string& piece : {text.substr(0, half), text.substr(half)}) {
          writer.send(Json{{"choices", {{{"index", 0}, {"delta", {{"content", piece}}}}}}}.dump());
        }
        writer.send(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
        writer.send("[DONE]");
      });
    });
    server_.start();
  }
  std::string url() const { return server_.address(); }

 private:
  http::Server server_;
};

/// Counts whoever asks it for anything.
class Listener {
 public:
  Listener() {
    for (const char* pattern : {"/{a}", "/{a}/{b}"}) {
      server_.route("GET", pattern, [this](const http::Request&, http::Response& response) {
        ++asked_;
        response.set_body("alert(1)", "text/javascript");
      });
    }
    server_.start();
  }
  std::string url() const { return server_.address(); }
  int asked() const { return asked_; }

 private:
  std::atomic<int> asked_{0};
  http::Server server_;
};

class HostilePageTest : public PageWorld {
 protected:
  std::vector<std::string> texts() const {
    std::vector<std::string> all = hostile_texts();
    for (std::string& text : all) {
      for (size_t at; (at = text.find("{listener}")) != std::string::npos;)
        text.replace(at, 10, listener_.url());
    }
    return all;
  }
  void check_inert() {
    EXPECT_EQ(listener_.asked(), 0);
    EXPECT_EQ(browser().evaluate("globalThis.ran ?? null"), nullptr) << "a script of the text ran";
    EXPECT_EQ(browser().evaluate("document.querySelectorAll('main :is(img, script, iframe, object, embed, svg, video, "
                                 "audio, link, style, base, meta, math, template, marquee)').length"),
              0);
    EXPECT_EQ(browser().evaluate("document.querySelectorAll('.body a, .mine a, .body [style], .body [id]').length"), 0);
    EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('#main, #status, #notice')].length"), 3);
    check_quiet();
  }

  EchoUpstream echo_;
  Listener listener_;
};

TEST_F(HostilePageTest, SixtyTextsAreShownAndNothingElse) {
  CollectorConfig config;
  UpstreamConfig upstream;
  upstream.name = "eco";
  upstream.model = "eco";
  upstream.base_url = echo_.url();
  config.upstreams = {upstream};
  start({}, config);
  browser().new_page(1024, 768);
  enter();
  const auto all = texts();
  ASSERT_EQ(all.size(), 60u);
  // The first three by hand, so that what streams in is seen too; the rest as the page's own calls.
  browser().click("#two");
  for (size_t i = 0; i < 3; ++i) {
    ask(all[i]);
    browser().wait_for(
        cat("document.querySelectorAll('.turn').length === ", i + 1,
            " && [...document.querySelectorAll('.answers')].at(-1).getAttribute('aria-busy') === 'false'"));
  }
  EXPECT_EQ(browser().evaluate("document.title"), "Conversar · Afina");
  const std::string conversation = browser().evaluate("location.hash.split('/')[2]");
  for (size_t i = 3; i < all.size(); ++i) {
    const Json reply =
        api("POST", cat("/api/conversations/", conversation, "/messages"), {{"text", all[i]}, {"answers", 1}});
    ASSERT_EQ(reply.at("status"), 200) << all[i];
  }
  // A title is the first message; every text gets to be one.
  for (const std::string& text : all) {
    const Json made = api("POST", "/api/conversations", {{"locale", "es"}});
    api("POST", cat("/api/conversations/", made.at("json").at("id").get<std::string>(), "/messages"),
        {{"text", text}, {"answers", 1}});
  }
  browser().go(cat(address(), "/#/chat/", conversation));
  reload();
  browser().wait_for("document.querySelectorAll('.turn').length === 60");
  browser().wait_for("document.querySelectorAll('#conversations li').length === 61");
  EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('.answer')].filter((a) => a.innerText.trim()).length"),
            60);
  EXPECT_EQ(browser().evaluate("document.title"), "Conversar · Afina");
  EXPECT_EQ(browser().evaluate("/[\\u202a-\\u202e\\u2066-\\u2069\\u200b]/"
                               ".test(document.querySelector('#turns').querySelector('.answers').textContent)"),
            false);
  EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('.answer .body')].some((b) => "
                               "/[\\u202e\\u2066\\u200b]|\\udb40/.test(b.textContent))"),
            false)
      << "nothing hides or reorders";
  check_inert();
  shot("hostile");
}

TEST_F(HostilePageTest, NamesGuidelinesPromptsAndTaskAnswersAreTextToo) {
  start({"good"});
  browser().new_page(1024, 768);
  join(storage::Role::admin, "<img src=x onerror=globalThis.ran=1>");
  const auto all = texts();
  std::string guidelines;
  for (const std::string& text : all)
    guidelines += cat(text, "\n\n");
  Json project{
      {"name", "<svg onload=globalThis.ran=1>"}, {"kind", "ranking"}, {"guidelines", guidelines}, {"overlap", 1}};
  const Json made = api("POST", "/api/projects", project);
  ASSERT_EQ(made.at("status"), 201) << made.dump();
  const std::string id = made.at("json").at("id");
  Json item{{"prompt", Json::array()}, {"answers", Json::array()}};
  for (size_t i = 0; i < 19; ++i)
    item["prompt"].push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", all[i]}});
  for (size_t i = 20; i < 28; ++i)
    item["answers"].push_back({{"text", all[i]}});
  const Json added = api("POST", cat("/api/projects/", id, "/items"), {{"items", Json::array({item})}});
  ASSERT_LT(added.at("status").get<int>(), 300) << added.dump();
  for (const auto& [hash, name] :
       std::initializer_list<std::pair<std::string, const char*>>{{"#/tasks", "tasks"},
                                                                  {"#/data", "data"},
                                                                  {"#/review", "review"},
                                                                  {"#/admin/accounts", "admin"},
                                                                  {"#/admin/audit", "admin"},
                                                                  {"#/me", "me"},
                                                                  {cat("#/tasks/", id), "tasks"}}) {
    view(hash, name);
    EXPECT_TRUE(browser().evaluate("document.title").get<std::string>().ends_with("Afina"));
  }
  browser().wait_for("document.querySelectorAll('.desk .answer').length === 8");
  check_inert();
}

TEST_F(HostilePageTest, MarkdownIsAClosedSubset) {
  start({"hostile"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer').innerText.includes('<script>')"), true);
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer strong').textContent"), "fuerte");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.answer:first-child li').length"), 2);
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer pre').textContent"), "<b>code</b>");
  check_inert();
}

}  // namespace
}  // namespace afina::collector
