// SPDX-License-Identifier: Apache-2.0
#include "tests/collector/site/page_world.h"

#include <cstdlib>

#include "base/file.h"
#include "storage/accounts/invitations.h"
#include "storage/people.h"
#include "storage/quality/eligible.h"
#include "storage/sql.h"

namespace afina::collector {
namespace {

/// A phone zooms out to show a page that is too wide: then the window seems wider than the screen.
constexpr const char* kTooWide = "Math.max(document.documentElement.scrollWidth, innerWidth) > screen.width";

constexpr const char* kViolations = R"js(
  (globalThis.axe ?? (loadAxe(), globalThis.axe)).run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]})
    .then((found) => found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.target.join(" ")).join(", ")}`).join("; "))
)js";

/// axe-core's script: $AFINA_AXE, or the pinned one of deps/. Throws where it is missing.
std::string axe_script() {
  const char* named = std::getenv("AFINA_AXE");
  const std::filesystem::path file = named != nullptr ? named : AFINA_AXE_FILE;
  if (!std::filesystem::exists(file)) {
    throw std::runtime_error(
        cat("[axe] must be at ", file.string(), ", but is not there. Hint: run ./dev setup, or set AFINA_AXE."));
  }
  return read_file(file);
}

}  // namespace

WebDriver& PageWorld::browser() {
  static WebDriver driver;
  // axe-core waits in every page as a function: carrying half a megabyte over at each view takes longer than running
  // it.
  static const bool ready = (driver.on_every_page(cat("globalThis.loadAxe = () => {", axe_script(), "\n};")), true);
  static_cast<void>(ready);
  return driver;
}

void PageWorld::choose_language(const std::string& locale) {
  // The view is drawn anew: the old one is marked, so that nothing is typed into it.
  browser().run(
      cat("const root = document.querySelector('[data-ready]'); globalThis.drawn = !root; "
          "root?.removeAttribute('data-ready'); const menu = document.querySelector('#language'); "
          "menu.value = '",
          locale, "'; menu.dispatchEvent(new Event('change'));"));
  browser().wait_for(cat("localStorage.getItem('afina.locale') === '", locale,
                         "' && (globalThis.drawn || document.querySelector('[data-ready]'))"));
}

void PageWorld::reload() {
  browser().run("globalThis.stale = true; location.reload();");
  browser().wait_for("!globalThis.stale");
}

CollectorConfig PageWorld::pair_of(const std::string& base_url) {
  CollectorConfig config;
  for (const char* name : {"uno", "dos"}) {
    UpstreamConfig upstream;
    upstream.name = upstream.model = name;
    upstream.base_url = base_url;
    config.upstreams.push_back(upstream);
  }
  return config;
}

void PageWorld::view(const std::string& hash, const std::string& name) {
  browser().run(cat("document.querySelector('[data-ready]')?.removeAttribute('data-ready'); if (location.hash === '",
                    hash, "') location.reload(); else location.hash = '", hash, "'"));
  browser().wait_for(
      cat("location.hash.startsWith('", hash, "') && document.querySelector('[data-ready=", name, "]')"));
}

std::string PageWorld::consent(const std::string& path, Json more) {
  browser().go(cat(address(), "/icon.svg"));
  const Json text = browser().evaluate(
      "(localStorage.setItem('afina.locale', 'es'), fetch('/api/consent/es').then((answer) => answer.json()))");
  more["locale"] = "es";
  more["adult"] = true;
  more["consent_version"] = text.at("version");
  more["consent_sha256"] = text.at("sha256");
  const Json reply = api("POST", path, more);
  EXPECT_EQ(reply.at("status"), 201) << reply.dump();
  return reply.at("json").at("receipt_code");
}

void PageWorld::enter() {
  receipt_ = consent("/api/visits", {{"purposes", {"collect", "train"}}});
  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('#empty') && !document.querySelector('#empty').hidden");
}

void PageWorld::enter_by_hand(const std::string& shots) {
  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('[data-ready=consent] #consent-title')");
  choose_language("es");
  browser().wait_for("document.querySelector('#consent-title')?.textContent.includes('consentimiento')");
  check_view(cat(shots, "-1-consent"));
  browser().click("#consent-form button.primary");
  browser().wait_for("!document.querySelector('#consent-problem').hidden");
  for (const char* purpose : {"adult", "collect", "train"})
    browser().click(cat("input[value=", purpose, "]"));
  browser().click("#consent-form button.primary");
  browser().wait_for("document.querySelector('#receipt-code')?.textContent.startsWith('AFINA-')");
  receipt_ = text_of("#receipt-code");
  check_view(cat(shots, "-2-receipt"));
  browser().click("#receipt-done");
  browser().wait_for("document.querySelector('#empty') && !document.querySelector('#empty').hidden");
}

std::string PageWorld::invite(storage::Role role, const std::string& workspace) {
  storage::NewInvitation invitation;
  invitation.token = storage::new_session_token();
  invitation.role = role;
  database_->transaction(
      [&](storage::Transaction& t) { invitation.workspace_id = storage::ensure_workspace(t, workspace).id; });
  database_->transaction([&](storage::Transaction& t) { storage::create_invitation(t, invitation); },
                         {.workspace = invitation.workspace_id});
  return invitation.token;
}

void PageWorld::join(storage::Role role, const std::string& name) {
  receipt_ = consent("/api/join", {{"purposes", {"collect", "train", "review"}},
                                   {"token", invite(role)},
                                   {"name", name},
                                   {"password", kPassphrase}});
  browser().go(cat(address(), "/"));
  browser().wait_for("document.querySelector('[data-ready=chat]')");
}

void PageWorld::join_by_hand(storage::Role role, const std::string& name) {
  const std::string token = invite(role);
  browser().go(cat(address(), "/join#", token));
  browser().wait_for("document.querySelector('[data-ready=join] input[name=password]')");
  choose_language("es");
  browser().wait_for("document.querySelector('[data-ready=join] h1')?.textContent === 'Aceptar la invitación'");
  EXPECT_EQ(browser().evaluate(cat("location.href.includes('", token, "')")), false) << "the token leaves the address";
  browser().click("input[name=name]");
  browser().paste(name);
  browser().click("input[name=password]");
  browser().paste(kPassphrase);
  for (const char* purpose : {"adult", "collect", "train", "review"})
    browser().click(cat("input[value=", purpose, "]"));
  browser().click("#view-join form button.primary");
  browser().wait_for("document.querySelector('#receipt-done')");
  browser().click("#receipt-done");
  browser().wait_for("document.querySelector('[data-ready=chat]')");
}

void PageWorld::sign_in(const std::string& name) {
  view("#/login", "login");
  browser().click("input[name=name]");
  browser().paste(name);
  browser().click("input[name=password]");
  browser().paste(kPassphrase);
  browser().press("Enter");
  browser().wait_for("document.querySelector('[data-ready=chat]')");
}

void PageWorld::ask(const std::string& text) {
  browser().run("document.querySelector('#message').focus()");
  browser().paste(text);
  browser().click("#send");
}

void PageWorld::pair() {
  enter();
  ask("hola");
  browser().wait_for("document.querySelector('.vote')");
}

void PageWorld::hold(const std::string& pattern, bool after) {
  browser().run(
      cat("const real = globalThis.realFetch = globalThis.realFetch || fetch, held = new Promise((open) => { "
          "globalThis.letGo = open; }); "
          "globalThis.asked = 0; globalThis.fetch = async (path, options = {}) => { if (!/",
          pattern, "/.test(`${options.method || 'GET'} ${path}`)) return real(path, options); ",
          after ? "const answer = await real(path, options); ++asked; await held; return answer; };"
                : "++asked; await held; return real(path, options); };"));
}

void PageWorld::held() {
  browser().wait_for("globalThis.asked > 0");
}

void PageWorld::let_go() {
  browser().run("letGo(); globalThis.passed = realFetch('/api/me').then(() => true)");
  browser().wait_for("globalThis.passed.then(() => new Promise((done) => setTimeout(() => done(true), 50)))");
}

void PageWorld::lose_reply(const std::string& pattern) {
  browser().run(
      cat("const real = fetch; globalThis.fetch = async (path, options = {}) => { const answer = await "
          "real(path, options); if (!/",
          pattern,
          "/.test(`${options.method || 'GET'} ${path}`)) return answer; globalThis.fetch = real; throw new "
          "TypeError('lost'); };"));
}

void PageWorld::answer_with(const std::string& pattern, int status, const std::string& code) {
  browser().run(cat("const real = fetch; globalThis.fetch = async (path, options = {}) => { if (!/", pattern,
                    "/.test(`${options.method || 'GET'} ${path}`)) return real(path, options); globalThis.fetch = "
                    "real; return new Response(JSON.stringify({error: {code: '",
                    code, "'}}), {status: ", status, "}); };"));
}

void PageWorld::vote(const std::string& outcome) {
  browser().click(cat("[data-outcome='", outcome, "'] input"));
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('.after .voted')");
}

void PageWorld::sent() {
  browser().wait_for("import('/js/outbox.js').then((box) => box.sent()).then(() => true)");
}

std::string PageWorld::text_of(const std::string& selector) {
  const Json text = browser().evaluate(cat("document.querySelector(", Json(selector).dump(), ")?.innerText ?? null"));
  return text.is_null() ? "" : text.get<std::string>();
}

Json PageWorld::api(const std::string& method, const std::string& path, const Json& body) {
  return browser().evaluate(
      cat("(async () => { const me = await (await fetch('/api/me')).json(); const answer = await fetch(",
          Json(path).dump(), ", {method: '", method,
          "', headers: {'Content-Type': 'application/json', "
          "'Idempotency-Key': crypto.randomUUID(), 'X-CSRF-Token': me.csrf ?? ''}",
          body.is_null() ? "" : cat(", body: ", Json(dump_json(body)).dump()),
          "}); const text = await answer.text(); let json = null; try { json = JSON.parse(text); } "
          "catch {} return {status: answer.status, json}; })()"));
}

int PageWorld::votes() {
  sent();
  int count = 0;
  for (const auto& pair :
       database_->transaction([](storage::Transaction& t) { return storage::eligible_pairs(t, {}); },
                              {.isolation = storage::Isolation::repeatable_read, .read_only = true})) {
    count += static_cast<int>(pair.votes.size());
  }
  return count;
}

std::string PageWorld::make_project(const std::string& kind) {
  view("#/data", "data");
  browser().click("#project-new summary");
  browser().click("#project-new input[type=text]");
  browser().paste("Trámites municipales");
  browser().run(cat("document.querySelector('#project-new select').value = '", kind, "'"));
  browser().click("#project-new textarea");
  browser().paste("Elige la que ayuda.");
  browser().run("document.querySelector('#project-new input[max=\"50\"]').value = 1");
  browser().click("#project-new button.primary");
  browser().wait_for(
      "[...document.querySelectorAll('tbody th')].some((cell) => cell.innerText === 'Trámites municipales')");
  return api("GET", "/api/projects").at("json").at("projects").at(0).at("id");
}

void PageWorld::add_items(const std::string& project, int count, const std::vector<std::string>& answers) {
  Json items = Json::array();
  for (int i = 0; i < count; ++i) {
    Json item{{"external_id", cat("i", i)},
              {"prompt",
               Json::array({{{"role", "user"}, {"content", cat("Pregunta ", i, " <img src=x onerror=alert(1)>")}}})},
              {"answers", Json::array()}};
    for (const std::string& text : answers)
      item["answers"].push_back({{"text", cat(text, " ", i)}});
    items.push_back(std::move(item));
  }
  const Json reply = api("POST", cat("/api/projects/", project, "/items"), {{"items", items}});
  ASSERT_LT(reply.at("status").get<int>(), 300) << reply.dump();
  ASSERT_EQ(reply.at("json").at("added"), count);
}

void PageWorld::work(const std::string& project) {
  view(cat("#/tasks/", project), "tasks");
  browser().wait_for("document.querySelector('.desk .vote')");
}

void PageWorld::shot(const std::string& name) {
  if (const char* folder = std::getenv("AFINA_SCREENSHOTS")) {
    browser().screenshot(std::filesystem::path(folder) / cat(name, ".png"));
  }
}

void PageWorld::check_view(const std::string& name) {
  EXPECT_EQ(browser().evaluate(kViolations), "") << name;
  check_width(name);
}

void PageWorld::check_width(const std::string& name) {
  EXPECT_EQ(browser().evaluate(kTooWide), false) << name << " is wider than the window";
  shot(name);
}

void PageWorld::check_quiet() {
  for (const std::string& problem : browser().problems())
    ADD_FAILURE() << problem;
  for (const std::string& url : browser().requests()) {
    // The browser's own controls draw their icons from data: addresses; nothing leaves by them.
    const bool inside = url.starts_with("blob:") || url.starts_with("data:image/svg+xml") || url == "about:blank";
    const bool own = url.starts_with(address()) || inside;
    EXPECT_TRUE(own) << "the page asked " << url;
  }
}

}  // namespace afina::collector
