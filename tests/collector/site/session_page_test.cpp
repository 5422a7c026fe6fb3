// SPDX-License-Identifier: Apache-2.0
// Who is here may change while the page is open: a session ends or is renewed, a consent is taken back or its words
// change. What people made waits for them, and the way on is shown.
#include "storage/transaction.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class SessionPageTest : public PageWorld {
 protected:
  void SetUp() override {
    start({"good", "other"});
    browser().new_page(1024, 768);
  }
  void in_database(const std::string& sql) {
    database_->transaction([&](storage::Transaction& t) { t.script(sql); }, {.workspace = storage::kEveryWorkspace});
  }
  void agree() {
    for (const char* purpose : {"adult", "collect", "train"}) {
      browser().run(cat("const box = document.querySelector('#consent-form input[value=", purpose,
                        "]'); if (box && !box.checked) box.click()"));
    }
    browser().click("#consent-form button.primary");
  }
  void fill(const std::string& selector, const std::string& text) {
    browser().run(cat("const box = document.querySelector(", Json(selector).dump(), "); box.value = ''; box.focus()"));
    browser().paste(text);
  }
};

TEST_F(SessionPageTest, AfterAChangeOfPasswordThePageGoesOn) {
  join(storage::Role::annotator, "ana");
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  view("#/me", "me");
  browser().run("document.querySelector('input[autocomplete=new-password]').closest('details').open = true");
  fill("input[autocomplete=current-password]", kPassphrase);
  fill("input[autocomplete=new-password]", "otra frase larga y serena");
  browser().click("details:has(input[autocomplete=new-password]) button.primary");
  browser().wait_for("document.querySelector('.done')");
  view("#/chat", "chat");
  browser().wait_for("document.querySelector('.vote')");
  vote("3");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(votes(), 1);
}

TEST_F(SessionPageTest, WhatAnAccountMadeAfterItsSessionEndedIsSentWhenTheyAreBack) {
  join(storage::Role::annotator, "ana");
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  in_database("UPDATE account_session SET ended_at = now()");
  browser().click("[data-outcome='3'] input");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('[data-ready=consent]')");
  EXPECT_EQ(votes(), 0);
  sign_in("ana");
  browser().wait_for("document.querySelector('.voted')?.innerText.includes('A es mucho mejor')");
  EXPECT_EQ(votes(), 1);
}

TEST_F(SessionPageTest, ASessionThatBeganAnewInAnotherTabCostsNoVote) {
  join(storage::Role::annotator, "ana");
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
  // As the other tab does it: the same person, another session with another token.
  browser().evaluate(
      cat("fetch('/api/login', {method: 'POST', headers: {'Content-Type': 'application/json', "
          "'Idempotency-Key': crypto.randomUUID()}, body: JSON.stringify({name: 'ana', password: '",
          kPassphrase, "'})}).then((answer) => answer.status)"));
  vote("3");
  browser().wait_for("document.querySelector('#status').innerText.includes('Voto guardado')");
  EXPECT_EQ(votes(), 1);
}

TEST_F(SessionPageTest, AnAccountThatTookItsConsentBackIsLedToItAndCanGiveItAnew) {
  join(storage::Role::annotator, "ana");
  ASSERT_EQ(api("POST", "/api/withdraw", Json::object()).at("status"), 200);
  reload();
  browser().wait_for("document.querySelector('[data-ready=consent]')");
  EXPECT_EQ(browser().evaluate("document.querySelector('#consent-outdated')"), nullptr);
  agree();
  browser().wait_for("document.querySelector('#receipt-code')?.innerText.startsWith('AFINA-')");
  browser().click("#receipt-done");
  browser().wait_for("document.querySelector('[data-ready=chat]')");
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
}

TEST_F(SessionPageTest, WhoAgreedToOtherWordsReadsThoseOfNowFirstAndStaysWhoTheyAre) {
  pair();
  in_database(
      "INSERT INTO consent_text (id, version, locale, body, sha256) VALUES (gen_random_uuid(), '2020-1', 'es', '{}', "
      "repeat('a', 64)); INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) SELECT "
      "gen_random_uuid(), v.id, w.id, true, '{collect,train}' FROM visitor v, consent_text w WHERE w.version = "
      "'2020-1'");
  reload();
  browser().wait_for("document.querySelector('[data-ready=consent] #consent-outdated')");
  EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('#consent-form input:checked')].map((box) => "
                               "box.value).join()"),
            "collect,train")
      << "as they had it";
  check_view("consent-outdated");
  agree();
  browser().wait_for("document.querySelector('[data-ready=chat]') && document.querySelector('.vote')");
  EXPECT_EQ(text_of(".mine").find("hola") == std::string::npos, false);
  EXPECT_EQ(api("GET", "/api/me").at("json").at("consent_outdated"), false);
}

TEST_F(SessionPageTest, AReceiptWorksWhereAnAccountIsSignedInAndOthersCodesTouchNobodyElse) {
  Caller other = visitor();
  join(storage::Role::annotator, "ana");
  browser().run("localStorage.setItem('afina.draft.message.x', 'mío')");
  const auto withdraw = [&](const std::string& code) {
    browser().go(cat(address(), "/withdraw"));
    browser().wait_for("document.querySelector('#withdraw-form button')?.innerText");
    fill("#code", code);
    browser().click("#sure");
    browser().click("#withdraw-form button");
    browser().wait_for("!document.querySelector('#withdraw-done').hidden");
    return browser().evaluate("localStorage.getItem('afina.draft.message.x')");
  };
  EXPECT_EQ(withdraw(other.receipt), "mío") << "somebody helped somebody else";
  EXPECT_EQ(withdraw(receipt_), nullptr) << "their own";
}

}  // namespace
}  // namespace afina::collector
