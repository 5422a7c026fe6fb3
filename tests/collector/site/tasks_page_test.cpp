// SPDX-License-Identifier: Apache-2.0
// Task projects in a real browser: an engineer makes one at the page, an annotator works in it, with a draft that
// survives a reload, a skip, a submission made offline, and a ranking by keyboard.
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

class TasksPageTest : public PageWorld {
 protected:
  void SetUp() override {
    start({"good", "other"});
    browser().new_page(1280, 860);
  }
};

TEST_F(TasksPageTest, ADraftSurvivesAReloadAndASkipBringsTheNextItem) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 3, {"Una respuesta", "Otra respuesta"});
  work(project);
  EXPECT_NE(text_of("#lease").find("Reservado para ti"), std::string::npos);
  const std::string first = question();
  browser().run("document.activeElement.blur()");
  browser().press("6");
  browser().press("e");
  browser().type("B cita la norma");
  browser().wait_for("document.querySelector('#saved').dataset.state === 'draft_saved'");
  check_view("task-draft");
  reload();
  browser().wait_for("document.querySelector('.desk .vote')");
  EXPECT_EQ(question(), first) << "the same item is still leased";
  browser().wait_for("document.querySelector('.vote input:checked')?.value === '-2'");
  EXPECT_EQ(browser().evaluate("document.querySelector('textarea.reason').value"), "B cita la norma");
  browser().click(".vote button.primary");
  browser().wait_for(cat("document.querySelector('.prompt .body').innerText !== ", Json(first).dump()));
  const std::string second = question();
  browser().run("document.activeElement.blur()");
  browser().press("s");
  browser().wait_for("document.querySelector('dialog.skip-dialog')");
  browser().click("dialog.skip-dialog button.primary");
  browser().wait_for(cat("document.querySelector('.prompt .body')?.innerText !== ", Json(second).dump()));
  view("#/tasks", "tasks");
  EXPECT_EQ(api("GET", "/api/projects").at("json").at("projects").at(0).at("mine_done"), 1);
  check_view("tasks");
  check_quiet();
}

TEST_F(TasksPageTest, ASubmissionMadeOfflineIsSentWhenTheNetworkIsBack) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 2, {"Una respuesta", "Otra respuesta"});
  work(project);
  const std::string first = question();
  browser().set_offline(true);
  browser().click("[data-outcome='3'] input");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('#waiting').innerText.includes('Por enviar: 1')");
  browser().set_offline(false);
  browser().wait_for("document.querySelector('#waiting').hidden");
  EXPECT_EQ(api("GET", "/api/projects").at("json").at("projects").at(0).at("mine_done"), 1);
}

TEST_F(TasksPageTest, ARankingIsMovedByTheKeyboardWithTies) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("ranking");
  add_items(project, 1, {"uno", "dos", "tres"});
  work(project);
  browser().run("document.querySelector('.ranking li:last-child .grip').focus()");
  browser().press("ArrowUp");
  browser().press("ArrowUp");
  EXPECT_EQ(browser().evaluate("document.querySelector('.ranking li').dataset.side"), "c");
  EXPECT_EQ(browser().evaluate("document.activeElement.closest('li').dataset.side"), "c") << "the focus moves along";
  browser().wait_for("document.querySelector('#status').innerText.includes('puesto 1 de 3')");
  browser().click(".ranking li:last-child input");
  check_view("task-ranking");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('#desk .empty')");
  EXPECT_EQ(text_of("#desk .empty h2"), "No quedan ítems para ti en este proyecto. ¡Gracias!");
}

}  // namespace
}  // namespace afina::collector
