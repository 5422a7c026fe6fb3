// SPDX-License-Identifier: Apache-2.0
// The work around tasks in a real browser: a lease that ends and one that is prolonged, a reviewer's decision, files
// that come in and go out, a second invitation.
#include <fstream>

#include "base/file.h"
#include "storage/transaction.h"
#include "tests/collector/site/page_world.h"
#include "tests/support/temp_folder.h"

namespace afina::collector {
namespace {

class DeskPageTest : public PageWorld {
 protected:
  void SetUp() override {
    start({"good", "other"});
    browser().new_page(1280, 860);
  }
  void lease_ends_in(int seconds) {
    database_->transaction(
        [&](storage::Transaction& t) {
          t.script(cat("UPDATE assignment SET lease_until = clock_timestamp() + interval '", seconds, " seconds'"));
        },
        {.workspace = storage::kEveryWorkspace});
  }
  /// A task with a reason written and saved.
  std::string begun_task() {
    join(storage::Role::engineer, "yaku");
    const std::string project = make_project("pairwise");
    add_items(project, 1, {"Una respuesta", "Otra respuesta"});
    work(project);
    browser().click("[data-outcome='2'] input");
    browser().click("textarea.reason");
    browser().paste("A cita la norma");
    browser().wait_for("document.querySelector('#saved').dataset.state === 'draft_saved'");
    return project;
  }
  /// Somebody new takes the project's next task and answers it.
  void submit_as(const std::string& name, const std::string& project, const std::string& outcome) {
    browser().new_page(1280, 860);
    join(storage::Role::annotator, name);
    const Json task = api("POST", cat("/api/projects/", project, "/next"), Json::object()).at("json").at("task");
    // Sides are as this person sees them: the answer "Una" is the better one for "una".
    const bool una_left = task.at("answers").at(0).at("text").get<std::string>().starts_with("Una");
    const Json done = api("POST", cat("/api/assignments/", task.at("assignment").get<std::string>(), "/submit"),
                          {{"outcome", (outcome == "una") == una_left ? 3 : -3}, {"reason", cat("Digo ", outcome)}});
    ASSERT_EQ(done.at("status"), 201) << done.dump();
  }
};

TEST_F(DeskPageTest, ALeaseThatEndedIsToldAndTheDraftComesBackWithTheTask) {
  begun_task();
  const std::string asked = question();
  lease_ends_in(2);
  reload();
  browser().wait_for("document.querySelector('#notice').innerText.includes('Tu borrador queda guardado')");
  check_view("lease-lost");
  browser().wait_for("document.querySelector('#go-on')");
  browser().click("#go-on");
  browser().wait_for("document.querySelector('#lease')?.innerText.includes('20 min')");
  browser().wait_for("document.querySelector('.desk .vote input:checked')?.value === '2'");
  EXPECT_EQ(question(), asked);
  EXPECT_EQ(browser().evaluate("document.querySelector('textarea.reason').value"), "A cita la norma");
  EXPECT_EQ(browser().evaluate("document.querySelector('#notice').hidden"), true);
}

TEST_F(DeskPageTest, AnAnswerAfterTheLeaseIsRefusedAndNothingWrittenIsLost) {
  begun_task();
  lease_ends_in(-1);
  browser().click(".vote .actions button.primary");
  browser().wait_for("document.querySelector('#notice').innerText.includes('Tu borrador queda guardado')");
  EXPECT_EQ(api("GET", "/api/projects").at("json").at("projects").at(0).at("mine_done"), 0);
  EXPECT_EQ(browser().evaluate("document.querySelector('textarea.reason').value"), "A cita la norma");
  EXPECT_EQ(browser().evaluate("document.querySelector('.desk .vote').inert"), true) << "it belongs to nobody now";
  EXPECT_EQ(browser().evaluate("document.activeElement.id"), "go-on") << "the focus goes on";
}

TEST_F(DeskPageTest, WhoWorksOnKeepsTheLease) {
  begun_task();
  lease_ends_in(5);
  reload();
  browser().wait_for("document.querySelector('#lease')?.innerText.includes('1 min')");
  browser().click("textarea.reason");
  browser().press("x");
  // Past its half a sign of life prolongs it to the whole length.
  browser().wait_for("document.querySelector('#lease')?.innerText.includes('20 min')");
  EXPECT_EQ(browser().evaluate("document.querySelector('#notice').hidden"), true);
}

TEST_F(DeskPageTest, AReviewerDecidesWherePeoplePart) {
  join(storage::Role::engineer, "yaku");
  const Json made = api("POST", "/api/projects",
                        {{"name", "Trámites"}, {"kind", "pairwise"}, {"guidelines", "Elige."}, {"overlap", 2}});
  const std::string project = made.at("json").at("id");
  add_items(project, 1, {"Una respuesta", "Otra respuesta"});
  submit_as("kuyen", project, "una");
  submit_as("anahi", project, "otra");
  browser().new_page(1280, 860);
  join(storage::Role::reviewer, "amaru");
  view(cat("#/review/", project), "review");
  browser().wait_for("document.querySelector('.disagreement .vote, .disagreement form')");
  EXPECT_EQ(browser().evaluate("['Digo una', 'Digo otra'].every((said) => "
                               "document.querySelector('.disagreement table').innerText.includes(said))"),
            true);
  check_view("review-disagreement");
  browser().click(".disagreement [data-outcome='3'] input");
  browser().click(".disagreement form textarea");
  browser().paste("La norma lo dice");
  browser().click(".disagreement form button.primary");
  browser().wait_for("document.querySelector('.disagreement .done')?.innerText === 'Decisión guardada.'");
  view(cat("#/review/", project), "review");
  browser().wait_for("document.querySelector('[data-ready=review] #disagreements')");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.disagreement').length"), 0) << "decided once";
  check_quiet();
}

TEST_F(DeskPageTest, AFileComesInWithItsLicenceAndGoesOutAsRows) {
  TempFolder folder;
  write_file_atomic(folder.path() / "preguntas.jsonl",
                    "{\"pregunta\": \"¿Qué es un ayllu?\", \"respuesta\": \"Una comunidad.\", \"lang\": \"es\"}\n"
                    "{\"pregunta\": \"Sin respuesta\"}\n"
                    "{\"pregunta\": \"¿Y un poncho?\", \"respuesta\": \"Una prenda.\", \"lang\": \"es\"}\n");
  join(storage::Role::engineer, "yaku");
  view("#/data", "data");
  browser().choose_files("#import-form input[type=file]", {folder.path() / "preguntas.jsonl"});
  browser().run("document.querySelector('#import-form select').value = 'qa'");
  for (const auto& [name, text] :
       std::initializer_list<std::pair<const char*, const char*>>{{"source", "Archivo de El Faro"},
                                                                  {"licence", "CC BY 4.0"},
                                                                  {"declaration", "La cooperativa lo escribió."}}) {
    browser().click(cat("#import-form input[name=", name, "]"));
    browser().paste(text);
  }
  browser().click("#import-form button.primary");
  browser().wait_for("document.querySelector('#import-result .done')");
  EXPECT_NE(text_of("#import-result .done").find("2 conversaciones"), std::string::npos) << text_of("#import-result");
  EXPECT_TRUE(text_of("#import-result code").starts_with("AFINA-")) << "the code that takes the file back";
  EXPECT_EQ(browser().evaluate("document.querySelector('#import-result tbody th').innerText"), "2") << "the bad line";
  check_view("import");
  browser().save_downloads_in(folder.path());
  browser().run("document.querySelector('#export-kind').value = 'conversations'");
  browser().click("#export-start");
  const auto file = folder.path() / "afina-conversations.jsonl";
  browser().wait_for("new Promise((go) => setTimeout(() => go(true), 50))");
  for (int looks = 0; looks < 200 && !std::filesystem::exists(file); ++looks)
    browser().wait_for("new Promise((go) => setTimeout(() => go(true), 50))");
  std::ifstream rows(file);
  std::string line, all;
  int count = 0;
  while (std::getline(rows, line)) {
    EXPECT_TRUE(Json::parse(line).is_object());
    all += line;
    ++count;
  }
  EXPECT_EQ(count, 2);
  EXPECT_NE(all.find("¿Qué es un ayllu?"), std::string::npos);
}

}  // namespace
}  // namespace afina::collector
