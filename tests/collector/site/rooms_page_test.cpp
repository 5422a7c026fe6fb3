// SPDX-License-Identifier: Apache-2.0
// Every view of members, in light and in dark, on a desktop and on a phone: axe-core finds nothing, nothing is wider
// than the window, no script fails. And sign-in, sign-out, invitations.
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class RoomsPageTest : public PageWorld {
 protected:
  void tour(const std::string& shots) {
    for (const auto& [hash, name] :
         std::initializer_list<std::pair<const char*, const char*>>{{"#/tasks", "tasks"},
                                                                    {"#/review", "review"},
                                                                    {"#/data", "data"},
                                                                    {"#/boards", "boards"},
                                                                    {"#/admin/accounts", "admin"},
                                                                    {"#/admin/invitations", "admin"},
                                                                    {"#/admin/tokens", "admin"},
                                                                    {"#/admin/webhooks", "admin"},
                                                                    {"#/admin/audit", "admin"},
                                                                    {"#/me", "me"}}) {
      view(hash, name);
      EXPECT_EQ(browser().evaluate("document.querySelector('#notice').hidden"), true)
          << hash << ": " << text_of("#notice");
      std::string file = cat(shots, "-", std::string(hash).substr(2));
      std::replace(file.begin(), file.end(), '/', '-');
      check_view(file);
    }
    check_quiet();
  }
};

TEST_F(RoomsPageTest, EveryViewIsAccessibleInLightOnADesktop) {
  start({"good", "other"});
  browser().new_page(1280, 860);
  join(storage::Role::admin, "yaku");
  tour("rooms-desktop");
}

TEST_F(RoomsPageTest, EveryViewIsAccessibleInTheDarkOnAPhone) {
  start({"good", "other"});
  browser().new_page(360, 740, true);
  join_by_hand(storage::Role::admin, "yaku");
  browser().click("#toggle-nav");
  check_view("rooms-phone-menu");
  tour("rooms-phone");
}

// WCAG 1.4.10: a desktop of 1280 pixels at 400 %.
TEST_F(RoomsPageTest, NothingIsCutOffOnAWindowOfThreeHundredAndTwentyPixels) {
  start({"good", "other"});
  browser().new_page(320, 256);
  join(storage::Role::admin, "yaku");
  ask("¿Cómo hago pan sin horno?");
  browser().wait_for("document.querySelector('.vote')");
  check_width("narrow-chat");
  for (const char* part : {"#/boards", "#/admin/audit", "#/data", "#/me"}) {
    view(part, std::string(part).substr(2, std::string(part).find('/', 2) - 2));
    check_width(cat("narrow-", std::string(part).substr(2, 4)));
  }
}

TEST_F(RoomsPageTest, AnAdminIsAskedBeforeARoleChangesAndMayThinkBetterOfIt) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  join(storage::Role::annotator, "kuyen");
  browser().new_page(1024, 768);
  join(storage::Role::admin, "yaku");
  view("#/admin/accounts", "admin");
  const std::string box = "#admin-accounts td select";
  const auto choose = [&] {
    browser().run(cat("const box = document.querySelector('", box,
                      "'); box.value = 'reviewer'; box.dispatchEvent(new Event('change', {bubbles: true}))"));
    browser().wait_for("document.querySelector('dialog[open]')?.innerText.includes('«revisor»')");
  };
  const auto role = [&]() -> std::string {
    const Json listed = api("GET", "/api/accounts").at("json");
    for (const Json& account : listed.at("accounts"))
      if (account.at("name") == "kuyen") return account.at("role");
    return "";
  };
  choose();
  browser().press("Escape");
  browser().wait_for(cat("document.activeElement === document.querySelector('", box, "')"));
  EXPECT_EQ(role(), "annotator");
  EXPECT_EQ(browser().evaluate(cat("document.querySelector('", box, "').value")), "annotator");
  choose();
  browser().click("dialog[open] .danger");
  browser().wait_for(
      "fetch('/api/accounts').then((answer) => answer.json()).then((list) => list.accounts.find((one) => one.name === "
      "'kuyen').role === 'reviewer')");
  browser().wait_for(cat("document.querySelector('", box, "')?.value === 'reviewer'"));
}

TEST_F(RoomsPageTest, APersonSignsOutAndInAndSeesOnlyWhatTheirRoleMay) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  join(storage::Role::annotator, "kuyen");
  EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('#nav a')].map((link) => link.dataset.view).join()"),
            "chat,tasks,boards,me");
  browser().run("location.hash = '#/admin'");
  browser().wait_for("document.querySelector('[data-ready=login]')");
  view("#/me", "me");
  browser().click("#leave");
  browser().click("dialog[open] .danger");
  browser().wait_for("document.querySelector('[data-ready=consent]')");
  view("#/login", "login");
  check_view("login");
  browser().click("input[name=name]");
  browser().type("kuyen");
  browser().click("input[name=password]");
  browser().type("una frase equivocada");
  browser().press("Enter");
  browser().wait_for("!document.querySelector('#view-login .problem').hidden");
  EXPECT_EQ(text_of("#view-login .problem"), "El nombre o la contraseña no coinciden.");
  browser().run(
      "document.querySelector('input[name=name]').value = document.querySelector('input[name=password]').value = ''");
  sign_in("kuyen");
  EXPECT_EQ(text_of("#nav a[data-view=me]"), "kuyen");
}

TEST_F(RoomsPageTest, AnAdminsInvitationLinkIsShownOnceAndMakesAnAccount) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  join(storage::Role::admin, "yaku");
  view("#/admin/invitations", "admin");
  browser().click("#admin-invitations button.primary");
  browser().wait_for("document.querySelector('#new-invitation code')");
  const std::string link = text_of("#new-invitation code");
  EXPECT_EQ(link.rfind(cat(address(), "/join#"), 0), 0u) << link;
  browser().new_page(1024, 768);
  browser().go(link);
  browser().wait_for("document.querySelector('[data-ready=join] input[name=name]')");
  check_view("join");
}

TEST_F(RoomsPageTest, WhoIsSignedInIsOfferedTheSecondInvitationForTheSameAccount) {
  start({"good", "other"});
  browser().new_page(1024, 768);
  join(storage::Role::annotator, "kuyen");
  const std::string token = invite(storage::Role::reviewer, "Radio Comunitaria");
  browser().go(cat(address(), "/join#", token));
  browser().wait_for("document.querySelector('[data-ready=join] #join-accept')");
  EXPECT_NE(text_of("#join-accept").find("Estás dentro como kuyen"), std::string::npos);
  EXPECT_EQ(browser().evaluate("document.querySelector('#join-other').open"), false)
      << "another account is one step off";
  check_view("join-second");
  browser().click("#join-accept button.primary");
  browser().wait_for("document.querySelector('#nav a[data-view=review]')");
  EXPECT_EQ(text_of("#nav a[data-view=me]"), "kuyen");
  view("#/me", "me");
  EXPECT_NE(text_of("#view-me").find("revisor · Radio Comunitaria"), std::string::npos);
  check_quiet();
}

}  // namespace
}  // namespace afina::collector
