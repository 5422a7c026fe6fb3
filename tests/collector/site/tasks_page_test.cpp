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
  EXPECT_EQ(browser().evaluate("document.activeElement.innerText"), text_of("#desk .empty h2")) << "the focus goes on";
}

TEST_F(TasksPageTest, ADeviceWhoseClockIsWrongWorksAsLongAsAnyOther) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 1, {"Una respuesta", "Otra respuesta"});
  work(project);
  const std::string right = text_of("#lease");
  for (const char* hours : {"5", "-5"}) {
    view("#/tasks", "tasks");
    browser().run(cat("Date.realNow = Date.realNow || Date.now; const real = Date.realNow; Date.now = () => real() + ",
                      hours, " * 3600000;"));
    work(project);
    EXPECT_EQ(text_of("#lease"), right) << hours;
    EXPECT_EQ(browser().evaluate("document.querySelector('#go-on')"), nullptr) << hours;
  }
}

TEST_F(TasksPageTest, ATaskThatAnotherWindowHandedInIsToldAsSent) {
  join(storage::Role::engineer, "yaku");
  const std::string project = make_project("pairwise");
  add_items(project, 2, {"Una respuesta", "Otra respuesta"});
  work(project);
  // The next one is loaded ahead: the one on screen is asked for again.
  const Json held = api("POST", cat("/api/projects/", project, "/next"), Json::object()).at("json").at("task");
  const Json sent =
      api("POST", cat("/api/assignments/", held.at("assignment").get<std::string>(), "/submit"), {{"outcome", 1}});
  ASSERT_EQ(sent.at("status"), 201) << sent.dump();
  browser().click("[data-outcome='3'] input");
  browser().click(".vote button.primary");
  browser().wait_for("document.querySelector('#go-on')");
  EXPECT_EQ(text_of("#notice"), "Esta tarea ya se envió, quizá desde otra ventana.");
  EXPECT_EQ(text_of("#lease"), "");
  check_view("task-already-sent");
  browser().click("#go-on");
  browser().wait_for("!document.querySelector('#go-on') && document.querySelector('.desk .vote')");
}

TEST_F(TasksPageTest, TrainingTellsExpectedRatingsAndFlagsInWords) {
  join(storage::Role::engineer, "yaku");
  const auto training = [&](const std::string& kind, const Json& gold) {
    const Json made = api("POST", "/api/projects",
                          {{"name", cat("Práctica ", kind)},
                           {"kind", kind},
                           {"guidelines", "Lee."},
                           {"overlap", 1},
                           {"training_items", 1},
                           {"aspects", Json::array({"helpful", "truthful"})}});
    EXPECT_EQ(made.at("status"), 201) << made.dump();
    const std::string id = made.at("json").at("id");
    const Json prompt = Json::array({{{"role", "user"}, {"content", "¿Qué?"}}});
    const Json items = Json::array({{{"prompt", prompt},
                                     {"answers", Json::array({{{"text", "Esto"}}})},
                                     {"gold", gold},
                                     {"training", true},
                                     {"feedback", "Porque sí."}}});
    const Json added = api("POST", cat("/api/projects/", id, "/items"), {{"items", items}});
    EXPECT_EQ(added.at("status"), 201) << added.dump();
    return id;
  };
  const auto told = [&] {
    browser().click(".vote button.primary");
    browser().wait_for("document.querySelector('.feedback')");
    EXPECT_EQ(text_of("#saved"), "") << "nothing is being saved";
    EXPECT_EQ(text_of("#lease"), "") << "nothing is held any more";
    return text_of(".feedback");
  };
  work(training("flagging", {{"flags", {{{"side", "a"}, {"kind", "personal_data"}}}}}));
  const std::string flags = told();
  EXPECT_NE(flags.find("Se esperaba: Contiene datos personales"), std::string::npos) << flags;
  check_view("training-flags");
  work(training("rating", {{"aspects",
                            {{{"side", "a"}, {"aspect", "helpful"}, {"value", 4}},
                             {{"side", "a"}, {"aspect", "truthful"}, {"value", 2}}}}}));
  browser().run(
      "const box = document.querySelector('.vote .aspects select'); box.value = '4'; "
      "box.dispatchEvent(new Event('change', {bubbles: true}))");
  const std::string ratings = told();
  EXPECT_NE(ratings.find("Se esperaba: Útil 4, Veraz 2"), std::string::npos) << ratings;
}

}  // namespace
}  // namespace afina::collector
