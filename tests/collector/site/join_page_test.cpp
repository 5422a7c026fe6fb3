// SPDX-License-Identifier: Apache-2.0
// Refusals that people meet in the rooms are told in their words, with the place where the server names one; an
// invitation survives a reload; lists follow what was just made.
#include "base/file.h"
#include "tests/collector/site/page_world.h"
#include "tests/support/temp_folder.h"

namespace afina::collector {
namespace {

class JoinPageTest : public PageWorld {
 protected:
  void SetUp() override {
    start({"good", "other"});
    browser().new_page(1280, 860);
  }
  void fill(const std::string& selector, const std::string& text) {
    browser().run(cat("const box = document.querySelector(", Json(selector).dump(), "); box.value = ''; box.focus()"));
    browser().paste(text);
  }
  std::string value_of(const std::string& selector) {
    return browser().evaluate(cat("document.querySelector(", Json(selector).dump(), ").value"));
  }
  void wait_for_text(const std::string& selector, const std::string& text) {
    browser().wait_for(
        cat("document.querySelector(", Json(selector).dump(), ")?.innerText.includes(", Json(text).dump(), ")"));
  }
};

TEST_F(JoinPageTest, AnInvitationSurvivesAReloadAndWhatWasTypedAChangeOfLanguage) {
  const std::string token = invite(storage::Role::annotator);
  browser().go(cat(address(), "/join#", token));
  browser().wait_for("document.querySelector('[data-ready=join] input[name=name]')");
  choose_language("es");
  reload();
  browser().wait_for("document.querySelector('[data-ready=join] input[name=name]')");
  EXPECT_EQ(text_of("#view-join").find("ya no lo tiene"), std::string::npos);
  EXPECT_EQ(browser().evaluate(cat("location.href.includes('", token, "')")), false);
  fill("input[name=name]", "kuyen");
  fill("input[name=password]", "password1234");
  choose_language("pt");
  browser().wait_for("document.querySelector('[data-ready=join] input[name=name]')");
  EXPECT_EQ(value_of("input[name=name]"), "kuyen");
  EXPECT_EQ(value_of("input[name=password]"), "password1234");
  choose_language("es");
  browser().wait_for("document.querySelector('[data-ready=join] input[name=name]')");
  for (const char* purpose : {"adult", "collect"})
    browser().click(cat("input[value=", purpose, "]"));
  browser().click("#view-join form button.primary");
  browser().wait_for("!document.querySelector('#view-join .refusal').hidden");
  EXPECT_TRUE(text_of("#view-join .refusal").starts_with("Esa contraseña se adivina fácil."))
      << text_of("#view-join .refusal");
  check_view("join-weak");
  fill("input[name=password]", kPassphrase);
  browser().click("#view-join form button.primary");
  browser().wait_for("document.querySelector('#receipt-done')");
  EXPECT_EQ(browser().evaluate("sessionStorage.length"), 0) << "used up: forgotten";
}

TEST_F(JoinPageTest, WithoutItsTokenThePageAsksForTheLinkAndShowsNoForm) {
  browser().go(cat(address(), "/icon.svg"));
  browser().run("localStorage.setItem('afina.locale', 'es')");
  browser().go(cat(address(), "/#/join"));
  browser().wait_for("document.querySelector('[data-ready=join]')");
  EXPECT_TRUE(text_of("#view-join .problem").starts_with("Abre otra vez el enlace")) << text_of("#view-join");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#view-join form').length"), 0);
  check_view("join-no-token");
}

TEST_F(JoinPageTest, WhatAnAdminMakesStandsInTheListAtOnceAndARefusalSaysWhatIsMissing) {
  join(storage::Role::admin, "yaku");
  view("#/admin/tokens", "admin");
  fill("#admin-tokens input[type=text]", "guion");
  browser().click("#admin-tokens form button.primary");
  wait_for_text("#admin-tokens .refusal", "Marca al menos un permiso.");
  browser().click("#admin-tokens input[value=read]");
  browser().click("#admin-tokens form button.primary");
  browser().wait_for("document.querySelector('#new-token code')");
  wait_for_text("#admin-tokens tbody", "guion");
  EXPECT_NE(text_of("#admin-tokens tbody").find("Leer"), std::string::npos) << "the scope in words";
  EXPECT_NE(text_of("#new-token code"), "") << "the secret stays";
  view("#/admin/invitations", "admin");
  browser().click("#admin-invitations button.primary");
  browser().wait_for("document.querySelector('#new-invitation code')");
  browser().wait_for("document.querySelectorAll('#admin-invitations tbody tr').length === 2");
  view("#/admin/webhooks", "admin");
  fill("#admin-webhooks input[type=url]", "ftp://example.org/x");
  browser().click("#admin-webhooks form button.primary");
  wait_for_text("#admin-webhooks .refusal", "Esa dirección no sirve");
  check_view("webhook-refused");
}

TEST_F(JoinPageTest, AWebhookThatIsSwitchedOffShowsItsDeliveriesAndCanBeSwitchedOnAgain) {
  CollectorConfig config;
  config.webhook_allow_private = true;
  start({"good", "other"}, config);
  join(storage::Role::admin, "yaku");
  view("#/admin/webhooks", "admin");
  fill("#admin-webhooks input[type=url]", "http://127.0.0.1:9/x");
  browser().click("#admin-webhooks form button.primary");
  browser().wait_for("document.querySelectorAll('#admin-webhooks tbody button').length === 3");
  EXPECT_NE(text_of("#admin-webhooks tbody").find("Voto nuevo"), std::string::npos) << "events in words";
  EXPECT_EQ(text_of("#admin-webhooks tbody").find("preference.created"), std::string::npos);
  browser().click("#admin-webhooks tbody button:last-child");
  browser().wait_for("document.querySelectorAll('#admin-webhooks tbody button').length === 2");
  EXPECT_NE(text_of("#admin-webhooks tbody").find("desactivada"), std::string::npos);
  browser().click("#admin-webhooks tbody button:last-child");
  browser().wait_for("document.querySelectorAll('#admin-webhooks tbody button').length === 3");
  EXPECT_EQ(text_of("#admin-webhooks tbody").find("desactivada"), std::string::npos);
  EXPECT_NE(text_of("#new-webhook code"), "") << "the secret stays";
}

TEST_F(JoinPageTest, AFileOfItemsIsRefusedByItsLineAndField) {
  TempFolder folder;
  write_file_atomic(folder.path() / "items.jsonl",
                    "{\"prompt\": [{\"role\": \"user\", \"content\": \"¿?\"}], \"answers\": [{\"text\": \"a\"}, "
                    "{\"text\": \"b\"}]}\n\n{\"prompt\": [{\"role\": \"user\", \"content\": \"¿?\"}]}\n");
  join(storage::Role::engineer, "yaku");
  make_project("pairwise");
  browser().click("#items-add summary");
  browser().choose_files("#items-add input[type=file]", {folder.path() / "items.jsonl"});
  browser().click("#items-add button.primary");
  browser().wait_for("!document.querySelector('#items-add .refusal').hidden");
  EXPECT_EQ(text_of("#items-add .refusal"), "Línea 3 (answers): Un ítem no tiene la forma que hace falta.");
}

TEST_F(JoinPageTest, AProjectsStateIsAskedAboutAndItsRulesCanBeChanged) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  const auto stored = [&] { return api("GET", cat("/api/projects/", project)).at("json"); };
  const auto choose = [&] {
    browser().run(
        "const box = document.querySelector('tbody select'); box.focus(); box.value = 'paused'; "
        "box.dispatchEvent(new Event('change', {bubbles: true}))");
    browser().wait_for("document.querySelector('dialog[open]')?.innerText.includes('«en pausa»')");
  };
  fill("#import-form input[name=source]", "Escrito a medias");
  choose();
  browser().press("Escape");
  browser().wait_for("document.activeElement === document.querySelector('tbody select')");
  EXPECT_EQ(value_of("tbody select"), "open");
  EXPECT_EQ(stored().at("state"), "open");
  choose();
  browser().run("document.querySelector('#status').textContent = ''");  // it still tells of the new project
  browser().click("dialog[open] .danger");
  browser().wait_for("document.querySelector('#status').innerText === 'Guardado'");
  EXPECT_EQ(stored().at("state"), "paused");
  EXPECT_EQ(value_of("#import-form input[name=source]"), "Escrito a medias") << "the form beside it is left alone";
  EXPECT_EQ(browser().evaluate("document.activeElement === document.querySelector('tbody select')"), true);
  browser().click("#project-change summary");
  browser().wait_for("document.querySelector('#project-change textarea').value === 'Elige la que ayuda.'");
  fill("#project-change textarea", "Elige la que cita la norma.");
  browser().run(
      "document.querySelector('#project-change input[type=number]').value = 2; "
      "document.querySelector('#status').textContent = ''");
  browser().click("#project-change button.primary");
  browser().wait_for("document.querySelector('#status').innerText === 'Guardado'");
  EXPECT_EQ(stored().at("guidelines"), "Elige la que cita la norma.");
  EXPECT_EQ(stored().at("overlap"), 2);
  check_view("data-change");
  check_quiet();
}

}  // namespace
}  // namespace afina::collector
