// SPDX-License-Identifier: Apache-2.0
// The page in a real browser, in Spanish, on a phone and on a desktop. Screenshots go to the folder of
// AFINA_SCREENSHOTS where it is set.
#include <cstdlib>
#include <fstream>

#include "storage/snapshots.h"
#include "tests/collector/world.h"
#include "tests/support/chromium.h"

namespace afina::collector {
namespace {

/// Contrast ratio (WCAG 2.1) of every element with text of its own; the worst offenders, as text.
constexpr const char* kPoorContrast = R"js((() => {
  const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".sr") || e.closest(":disabled")) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${e.localName}.${e.className} ${ratio.toFixed(2)} ${e.textContent.slice(0, 30)}`);
  }
  return poor.join("; ");
})())js";

/// Controls without a name, ids used twice, pictures without alt, positive tabindex.
constexpr const char* kUnlabelled = R"js((() => {
  const bad = [];
  for (const e of document.querySelectorAll("button, input, textarea, select, a[href]")) {
    if (!e.checkVisibility()) continue;
    const name = e.getAttribute("aria-label") || e.textContent.trim() || [...(e.labels ?? [])].map((l) => l.textContent.trim()).join("");
    if (!name) bad.push(e.outerHTML.slice(0, 80));
    const box = e.getBoundingClientRect();
    if (e.localName === "button" && box.height < 32) bad.push(`small ${e.outerHTML.slice(0, 80)} ${box.height}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) bad.push("an id twice");
  for (const e of document.querySelectorAll("img:not([alt])")) bad.push(e.outerHTML);
  return bad.join("; ");
})())js";

/// A phone zooms out to show a page that is too wide: then the window seems wider than the screen.
constexpr const char* kTooWide = "Math.max(document.documentElement.scrollWidth, innerWidth) > screen.width";
constexpr const char* kLatest = "[...document.querySelectorAll('.turn')].at(-1)";

class BrowserTest : public World {
 protected:
  static Chromium& browser() {
    static Chromium chromium;
    return chromium;
  }
  void shot(const std::string& name) {
    if (const char* folder = std::getenv("AFINA_SCREENSHOTS")) {
      browser().screenshot(std::filesystem::path(folder) / (name + ".png"), true);
    }
  }
  void check_page(const std::string& where) {
    EXPECT_EQ(browser().evaluate(kPoorContrast), "") << where;
    EXPECT_EQ(browser().evaluate(kUnlabelled), "") << where;
    EXPECT_EQ(browser().evaluate(kTooWide), false) << where << " is wider than the window";
  }
  void check_quiet() {
    EXPECT_TRUE(browser().problems.empty()) << browser().problems.front();
    for (const std::string& url : browser().requests) {
      const bool own = url.rfind(collector_->address(), 0) == 0 || url.rfind("blob:", 0) == 0 || url == "about:blank";
      EXPECT_TRUE(own) << "the page asked " << url;
    }
  }
  /// Opens the page in Spanish and gives consent.
  void enter(const std::string& name = "") {
    browser().go(collector_->address() + "/");
    browser().wait_for(
        "!document.querySelector('#view-consent').hidden && document.querySelectorAll('#consent-purposes "
        "input').length");
    browser().evaluate(
        "(() => { const m = document.querySelector('#language'); m.value = 'es'; m.dispatchEvent(new Event('change')); "
        "})()");
    browser().wait_for("document.querySelector('#consent-title').textContent.includes('consentimiento')");
    if (!name.empty()) {
      check_page(name + " consent");
      shot(name + "-1-consent");
    }
    browser().click("#consent-form button.primary");
    browser().wait_for("!document.querySelector('#consent-problem').hidden");
    for (const char* purpose : {"adult", "collect", "train"})
      browser().click(cat("input[value=", purpose, "]"));
    browser().click("#consent-form button.primary");
    browser().wait_for("document.querySelector('#receipt-code').textContent.startsWith('AFINA-')");
    if (!name.empty()) {
      check_page(name + " receipt");
      shot(name + "-2-receipt");
    }
    receipt_ = browser().evaluate("document.querySelector('#receipt-code').textContent");
    browser().click("#receipt-done");
    browser().wait_for("!document.querySelector('#view-chat').hidden && !document.querySelector('#empty').hidden");
  }
  void ask(const std::string& text) {
    browser().evaluate("document.querySelector('#message').focus()");
    browser().type(text);
    browser().click("#send");
  }
  int votes() {
    int count = 0;
    for (const auto& pair :
         database_->transaction([](storage::Transaction& t) { return storage::eligible_pairs(t, {}); },
                                {.isolation = storage::Isolation::repeatable_read, .read_only = true})) {
      count += static_cast<int>(pair.votes.size());
    }
    return count;
  }
  void whole_flow(const std::string& name, int width, int height, bool dark);

  std::string receipt_;
};

void BrowserTest::whole_flow(const std::string& name, int width, int height, bool dark) {
  start({"good", "other"});
  browser().new_page(width, height, dark);
  enter(name);
  check_page(name + " empty");
  shot(name + "-3-empty");

  ask("¿Cómo hago pan sin horno?");
  browser().wait_for("document.querySelector('.vote')");
  check_page(name + " pair");
  shot(name + "-4-pair");
  EXPECT_EQ(browser().evaluate("document.body.innerText.includes('modelo-')"), false) << "the models are hidden";
  EXPECT_EQ(browser().evaluate("document.querySelector('#send').disabled"), true) << "first the vote";

  browser().evaluate("document.activeElement.blur()");
  browser().press("1");
  browser().wait_for("document.querySelector('.after strong')?.textContent.includes('A es mucho mejor')");
  browser().press("u");
  // The page draws once at once and once when the server has answered: a click between the two could meet a node that
  // goes.
  browser().wait_for("document.body.innerText.includes('Voto deshecho')");
  browser().wait_for("document.querySelector('.vote') && !document.querySelector('.after')");
  browser().click("[data-outcome='-1']");
  browser().wait_for("document.querySelector('.after strong')?.textContent.includes('B es un poco mejor')");

  browser().go(collector_->address() + "/");
  browser().wait_for("document.querySelector('.after strong')?.textContent.includes('B es un poco mejor')");
  EXPECT_EQ(browser().evaluate("document.querySelector('.mine').textContent.includes('pan sin horno')"), true);
  EXPECT_EQ(browser().evaluate("document.querySelector('#receipt-code').textContent"), "") << "shown once";

  browser().click(".after textarea");
  browser().type("B explica mejor los pasos");
  browser().click(".after form button");
  browser().wait_for("document.querySelector('.after').innerText.includes('B explica mejor los pasos')");
  check_page(name + " voted");
  shot(name + "-5-voted");
  browser().wait_for("!localStorage.getItem('afina.outbox') || localStorage.getItem('afina.outbox') === '[]'");
  browser().click(".reveal");
  browser().wait_for("document.querySelectorAll('.was').length === 2");
  EXPECT_EQ(browser().evaluate(
                "document.body.innerText.includes('modelo-good') && document.body.innerText.includes('modelo-other')"),
            true);
  check_page(name + " revealed");
  shot(name + "-6-revealed");
  EXPECT_EQ(votes(), 1);

  ask("¿Y sin sal?");
  browser().wait_for(cat("document.querySelectorAll('.turn').length === 2 && ", kLatest, ".querySelector('.vote')"));
  check_quiet();
}

TEST_F(BrowserTest, APersonOnAPhoneGoesFromConsentToTheReveal) {
  whole_flow("phone", 360, 740, false);
}

TEST_F(BrowserTest, APersonOnADesktopInTheDarkGoesFromConsentToTheReveal) {
  whole_flow("desktop-dark", 1280, 860, true);
}

TEST_F(BrowserTest, WhatAModelWritesIsTextAndNeverMarkup) {
  start({"hostile"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  EXPECT_EQ(
      browser().evaluate(
          "document.querySelectorAll('.answer img, .answer script, .answer a, .answer b:not([aria-hidden])').length"),
      0);
  EXPECT_EQ(browser().evaluate("document.title"), "Afina");
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer').innerText.includes('<script>')"), true)
      << "shown as text";
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer strong').textContent"), "fuerte");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.answer:first-child li').length"), 2);
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer pre').textContent"), "<b>code</b>");
  EXPECT_EQ(browser().evaluate("/\\u202e/.test(document.querySelector('.answer').textContent)"), false);
  shot("hostile");
  check_quiet();
}

TEST_F(BrowserTest, AVoteCastOfflineIsSentLaterAndOnce) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  browser().set_offline(true);
  browser().click("[data-outcome='both_bad']");
  browser().wait_for("document.querySelector('.after').innerText.includes('Sin conexión')");
  shot("offline");
  EXPECT_EQ(votes(), 0);
  browser().set_offline(false);
  browser().wait_for(
      "document.querySelector('.after') && !document.querySelector('.after').innerText.includes('Sin conexión')");
  EXPECT_EQ(votes(), 1);
}

TEST_F(BrowserTest, AFailedAnswerIsExplainedInThePersonsLanguageAndCanBeTriedAgain) {
  start({"good", "down"}, {}, []() -> uint32_t { return 0; });
  browser().new_page(360, 740, true);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.answer .problem')");
  EXPECT_EQ(browser().evaluate("document.querySelector('.answer .problem').textContent"),
            "Esta respuesta falló: el modelo no está disponible");
  EXPECT_EQ(browser().evaluate("document.querySelector('.vote')"), nullptr);
  check_page("failed");
  shot("failed");
}

TEST_F(BrowserTest, TheReceiptCodeWithdrawsEverythingOnAnyDevice) {
  start({"good", "other"});
  browser().new_page(360, 740);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  browser().click("[data-outcome='3']");
  browser().wait_for("localStorage.getItem('afina.outbox') === '[]'");
  EXPECT_EQ(votes(), 1);
  browser().new_page(360, 740);
  browser().go(collector_->address() + "/withdraw");
  browser().wait_for("document.querySelector('#language').value");
  browser().evaluate(
      "(() => { const m = document.querySelector('#language'); m.value = 'pt'; m.dispatchEvent(new Event('change')); "
      "})()");
  browser().wait_for("document.querySelector('h1').textContent === 'Retirar meus dados'");
  check_page("withdraw");
  browser().click("#code");
  browser().type(receipt_);
  browser().click("#sure");
  shot("withdraw");
  browser().click("#withdraw-form button");
  browser().wait_for("!document.querySelector('#withdraw-done').hidden");
  EXPECT_EQ(
      browser().evaluate("document.querySelector('#withdraw-done-text').textContent.includes('Votos retirados: 1')"),
      true);
  EXPECT_EQ(votes(), 0);
  check_quiet();
}

TEST_F(BrowserTest, TheKeySheetOpensAndTypingIsNotVoting) {
  start({"good", "other"});
  browser().new_page(1280, 860);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  browser().evaluate("document.activeElement.blur()");
  browser().press("?");
  browser().wait_for("document.querySelector('#keys').open");
  check_page("keys");
  shot("keys");
  browser().press("g");
  EXPECT_EQ(browser().evaluate("Boolean(document.querySelector('.vote'))"), true) << "the sheet takes the keys";
  browser().click("#keys button");
  browser().wait_for("!document.querySelector('#keys').open");
  browser().press("g");
  browser().wait_for("document.querySelector('.after strong')?.textContent.includes('Las dos son buenas')");
  browser().click(".after textarea");
  browser().press("u");
  EXPECT_EQ(browser().evaluate("document.querySelector('.after textarea').value"), "u");
  EXPECT_EQ(browser().evaluate("Boolean(document.querySelector('.after'))"), true) << "keys typed into a text are text";
}

}  // namespace
}  // namespace afina::collector
