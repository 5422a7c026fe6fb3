// SPDX-License-Identifier: Apache-2.0
// The arena in a real browser: from consent to the reveal on a phone and on a desktop, offline, by keyboard alone, in
// every language, and withdrawal.
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

constexpr const char* kLatest = "[...document.querySelectorAll('.turn')].at(-1)";

class BrowserTest : public PageWorld {
 protected:
  void whole_flow(const std::string& name, int width, int height, bool dark);
};

void BrowserTest::whole_flow(const std::string& name, int width, int height, bool dark) {
  start({"good", "other"});
  browser().new_page(width, height, dark);
  enter_by_hand(name);
  check_view(cat(name, "-3-empty"));

  ask("¿Cómo hago pan sin horno?");
  browser().wait_for("document.querySelector('.vote')");
  check_view(cat(name, "-4-pair"));
  EXPECT_EQ(browser().evaluate("document.body.innerText.includes('modelo-')"), false) << "the models are hidden";
  EXPECT_EQ(browser().evaluate("document.querySelector('#send').disabled"), true) << "first the vote";
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.vote .refusal').innerText.includes('Elige primero')");

  vote("3");
  browser().click(".undo");
  browser().wait_for("document.querySelector('.vote') && !document.querySelector('.after')");
  browser().click("[data-outcome='-1'] input");
  browser().click("details.more summary");
  browser().run("document.querySelector('select[aria-label=\"Útil, Respuesta B\"]').value = '5'");
  browser().click(".flags input[type=checkbox]");
  check_view(cat(name, "-5-details"));
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.voted')?.textContent.includes('B es un poco mejor')");

  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('.voted')?.textContent.includes('B es un poco mejor')");
  EXPECT_EQ(browser().evaluate("document.querySelector('.mine').textContent.includes('pan sin horno')"), true);
  EXPECT_EQ(browser().evaluate("document.querySelector('#receipt-code')"), nullptr) << "shown once";

  browser().click(".edit");
  EXPECT_EQ(browser().evaluate("document.querySelector('[data-outcome=\"-1\"] input').checked"), true);
  browser().click("textarea.reason");
  browser().type("B explica mejor los pasos");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.own-reason')?.innerText.includes('B explica mejor los pasos')");
  browser().wait_for("document.querySelector('#waiting').hidden");
  check_view(cat(name, "-6-voted"));
  browser().click(".reveal");
  browser().wait_for("document.querySelectorAll('.was').length === 2");
  EXPECT_EQ(browser().evaluate(
                "document.body.innerText.includes('modelo-good') && document.body.innerText.includes('modelo-other')"),
            true);
  check_view(cat(name, "-7-revealed"));
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

TEST_F(BrowserTest, AnAnswerIsShownWhileItIsWrittenAndFollowedAgainAfterAReload) {
  start({"held"});
  browser().new_page(1024, 768);
  enter();
  browser().click("#two");
  ask("hola");
  browser().wait_for("document.querySelector('.answer .body')?.innerText.trim() === 'Una'");
  EXPECT_EQ(browser().evaluate("document.querySelector('.answers').getAttribute('aria-busy')"), "true");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.answers[aria-live], .answer [aria-live]').length"), 0)
      << "no token is read aloud";
  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('.answer .state')?.innerText.includes('escribiendo')");
  fake_.open();
  browser().wait_for("document.querySelector('.answer .body').innerText.includes('¡ñandú incluido!')");
  browser().wait_for("document.querySelector('#status').innerText.includes('La respuesta está lista')");
  check_quiet();
}

TEST_F(BrowserTest, AVoteCastOfflineWaitsOnTheDeviceAndIsSentOnce) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  browser().set_offline(true);
  vote("both_bad");
  browser().wait_for("document.querySelector('.after').innerText.includes('Sin conexión')");
  browser().wait_for("document.querySelector('#waiting').innerText.includes('Por enviar: 1')");
  shot("offline");
  EXPECT_EQ(votes(), 0);
  EXPECT_EQ(browser().evaluate("import('/js/idb.js').then(({openTable}) => openTable('afina', 'outbox', "
                               "'n').all()).then((acts) => acts.map((act) => "
                               "[act.path, act.body.outcome].join(' ')).join())"),
            "/api/votes both_bad")
      << "it is in the browser's database";
  // The tab is left before the network is back; another one sends what it finds there.
  browser().go("about:blank");
  browser().set_offline(false);
  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('Las dos son malas')");
  browser().wait_for("document.querySelector('#waiting').hidden");
  EXPECT_EQ(votes(), 1);
  check_quiet();
}

TEST_F(BrowserTest, AFailedAnswerIsExplainedInThePersonsLanguageAndCanBeTriedAgain) {
  start({"good", "down"}, {}, []() -> uint32_t { return 0; });
  browser().new_page(360, 740, true);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.answer .problem')");
  EXPECT_EQ(text_of(".answer .problem"), "Esta respuesta falló: el modelo no está disponible");
  EXPECT_EQ(browser().evaluate("document.querySelector('.vote')"), nullptr);
  check_view("failed");
}

TEST_F(BrowserTest, TheReceiptCodeWithdrawsEverythingOnAnyDevice) {
  start({"good", "other"});
  browser().new_page(360, 740);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  vote("3");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(votes(), 1);
  browser().new_page(360, 740);
  browser().go(cat(address(), "/withdraw"));
  browser().wait_for("document.querySelector('#language').value");
  choose_language("pt");
  browser().wait_for("document.querySelector('h1').textContent === 'Retirar meus dados'");
  check_view("withdraw");
  browser().click("#code");
  browser().type(receipt_);
  browser().click("#sure");
  browser().click("#withdraw-form button");
  browser().wait_for("!document.querySelector('#withdraw-done').hidden");
  EXPECT_NE(text_of("#withdraw-done-text").find("Votos retirados: 1"), std::string::npos);
  EXPECT_EQ(votes(), 0);
  check_quiet();
}

TEST_F(BrowserTest, APersonWithoutAMouseAsksVotesCorrectsAndReveals) {
  start({"good", "other"});
  browser().new_page(1280, 860);
  enter();
  EXPECT_EQ(browser().evaluate("document.activeElement.id"), "message");
  browser().type("hola");
  browser().press("Enter");
  browser().wait_for("document.querySelector('.vote')");
  browser().run("document.activeElement.blur()");
  browser().press("?");
  browser().wait_for("document.querySelector('#keys').open");
  check_view("keys");
  browser().press("2");
  browser().press("Escape");
  browser().wait_for("!document.querySelector('#keys').open");
  EXPECT_EQ(browser().evaluate("document.querySelector('.vote input:checked')"), nullptr) << "the sheet takes the keys";
  browser().run("document.activeElement.blur()");
  browser().press("2");
  browser().press("ArrowRight");
  EXPECT_EQ(browser().evaluate("document.querySelector('.vote input:checked').value"), "1") << "native radio buttons";
  browser().press("r");
  browser().wait_for(
      "document.activeElement.classList.contains('rewrite') && document.activeElement.value.length > 10");
  browser().press("7");
  EXPECT_EQ(browser().evaluate("document.querySelector('.vote input:checked').value"), "1") << "typing is no vote";
  browser().run("document.querySelector('.vote input:checked').focus()");
  browser().press("Enter");
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('A es un poco mejor')");
  EXPECT_EQ(browser().evaluate("document.activeElement.classList.contains('reveal')"), true) << "the focus goes on";
  browser().press("Backspace");
  browser().press("u");
  browser().wait_for("document.querySelector('.vote input')");
  browser().run("document.activeElement.blur()");
  browser().press("0");
  browser().press("Enter");
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('Las dos son malas')");
  browser().wait_for("document.querySelector('#waiting').hidden");
  browser().press("m");
  browser().wait_for("document.querySelectorAll('.was').length === 2");
  check_quiet();
}

TEST_F(BrowserTest, SingleKeysCanBeSwitchedOff) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  browser().click("#open-keys");
  browser().click("#keys-on");
  browser().click("#keys button");
  browser().run("document.activeElement.blur()");
  browser().press("1");
  EXPECT_EQ(browser().evaluate("document.querySelector('.vote input:checked')"), nullptr);
}

TEST_F(BrowserTest, AFragmentIsToldInCodePointsAndNeverCutsALetter) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  browser().evaluate(R"js((async () => {
    const { render } = await import("/js/markdown.js"), { selectedIn, toCodePoints, toUtf16, widen } = await import("/js/spans.js");
    const text = "**Ñandú** 👩‍🍳 e\u0301l \u202ekuñã\u202c fin";
    const body = document.createElement("div");
    document.body.append(body);
    render(text, body);
    const select = (from, to) => { const r = document.createRange(); r.setStart(...from); r.setEnd(...to); getSelection().removeAllRanges(); getSelection().addRange(r); };
    const strong = body.querySelector("strong").firstChild, after = body.querySelector("strong").nextSibling;
    select([strong, 1], [strong, 5]);
    const plain = selectedIn(body, text);
    select([after, 2], [after, 3]);
    const emoji = selectedIn(body, text);
    globalThis.told = {
      plain: [toCodePoints(text, plain.from), toCodePoints(text, plain.to), text.slice(plain.from, plain.to)],
      emoji: [toCodePoints(text, emoji.from), toCodePoints(text, emoji.to), text.slice(emoji.from, emoji.to)],
      mark: widen(text, text.indexOf("e\u0301") + 1, text.indexOf("e\u0301") + 2).join(),
      back: toUtf16(text, toCodePoints(text, text.length)) === text.length,
      shown: body.innerText,
    };
    return true;
  })())js");
  const Json told = browser().evaluate("told");
  EXPECT_EQ(told.at("plain"), Json::parse(R"([3, 7, "andú"])"));
  EXPECT_EQ(told.at("emoji"), Json::parse(R"([10, 13, "👩‍🍳"])")) << "the whole family of code points";
  EXPECT_EQ(told.at("mark"), "16,18") << "a letter with its accent";
  EXPECT_EQ(told.at("back"), true);
  EXPECT_EQ(told.at("shown").get<std::string>().find("\u202e"), std::string::npos) << "nothing reorders the text";
}

TEST_F(BrowserTest, ThePageSpeaksThreeLanguagesWholeAndTellsHowMuchThereIsOfTheOthers) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  for (const auto& [locale, title] : std::initializer_list<std::pair<const char*, const char*>>{
           {"pt", "Qual resposta é melhor?"}, {"en", "Which answer is better?"}, {"es", "¿Cuál respuesta es mejor?"}}) {
    choose_language(locale);
    browser().wait_for(cat("document.querySelector('.vote legend')?.innerText === '", title, "'"));
    EXPECT_EQ(browser().evaluate("document.documentElement.lang"), locale);
    EXPECT_EQ(browser().evaluate("document.querySelector('#translation').hidden"), true);
    check_width(cat("language-", locale));
  }
  choose_language("arn");
  browser().wait_for("!document.querySelector('#translation').hidden");
  EXPECT_NE(text_of("#translation").find("Mapudungun"), std::string::npos);
  EXPECT_NE(text_of("#translation").find("Ayuda a traducir"), std::string::npos);
  EXPECT_EQ(browser().evaluate("document.documentElement.lang"), "es") << "what is shown is Spanish, and says so";
  browser().wait_for("document.querySelector('#language [value=gn]').textContent.includes('%')");
  browser().wait_for("document.querySelector('.vote legend')?.innerText === '¿Cuál respuesta es mejor?'");
  check_view("language-arn");
}

}  // namespace
}  // namespace afina::collector
