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
  /// Somebody new takes the project's next task.
  Json task_of(const std::string& name, const std::string& project) {
    browser().new_page(1280, 860);
    join(storage::Role::annotator, name);
    return api("POST", cat("/api/projects/", project, "/next"), Json::object()).at("json").at("task");
  }
  void submit_body_as(const std::string& name, const std::string& project, const Json& body) {
    const Json task = task_of(name, project);
    const Json done = api("POST", cat("/api/assignments/", task.at("assignment").get<std::string>(), "/submit"), body);
    ASSERT_EQ(done.at("status"), 201) << done.dump();
  }
  /// A project of that kind for two people, with one item.
  std::string project_of_two(const std::string& kind, const std::vector<std::string>& answers) {
    const Json made = api("POST", "/api/projects",
                          {{"name", cat("Trámites ", kind)}, {"kind", kind}, {"guidelines", "Lee."}, {"overlap", 2}});
    add_items(made.at("json").at("id"), 1, answers);
    return made.at("json").at("id");
  }
  /// Somebody new takes the project's next task and answers it.
  void submit_as(const std::string& name, const std::string& project, const std::string& outcome) {
    const Json task = task_of(name, project);
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
  // A page that loads slower than that is given a new lease: then once more, with more time.
  for (int seconds = 2;; seconds *= 3) {
    ASSERT_LT(seconds, 60);
    lease_ends_in(seconds);
    reload();
    browser().wait_for(
        "document.querySelector('#notice').innerText.includes('Tu borrador queda guardado') || "
        "document.querySelector('#lease')?.innerText.includes('20 min')");
    if (text_of("#notice") != "") break;
  }
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
  lease_ends_in(8);
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
  EXPECT_EQ(browser().evaluate("[...document.querySelectorAll('.block > .scroll')].map((box) => box.scrollWidth > "
                               "box.clientWidth).join()"),
            "false,false")
      << "every column is seen, the warnings too";
  EXPECT_EQ(browser().evaluate("getComputedStyle(document.querySelector('.disagreement kbd')).visibility"), "hidden");
  browser().press("2");
  EXPECT_EQ(browser().evaluate("document.querySelector('.disagreement .step input:checked')"), nullptr)
      << "of no disagreement yet";
  browser().run("document.querySelector('.disagreement').focus()");
  browser().press("2");
  browser().wait_for("document.querySelector('.disagreement .step input:checked')?.value === '2'");
  EXPECT_EQ(browser().evaluate("getComputedStyle(document.querySelector('.disagreement kbd')).visibility"), "visible");
  browser().press("1");
  browser().click(".disagreement form textarea");
  browser().paste("La norma lo dice");
  browser().click(".disagreement form button.primary");
  browser().wait_for("document.querySelector('.disagreement .done')?.innerText === 'Decisión guardada.'");
  EXPECT_EQ(browser().evaluate("document.activeElement.className"), "done") << "the focus goes on";
  view(cat("#/review/", project), "review");
  browser().wait_for("document.querySelector('[data-ready=review] #decisions')");
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('#disagreements ~ .disagreement').length"), 0)
      << "decided once";
  EXPECT_NE(text_of("#decisions ~ div .done").find("La norma lo dice"), std::string::npos)
      << text_of("#decisions ~ div");
  check_view("review-decided");
  browser().click("#decisions ~ div .change summary");
  EXPECT_EQ(browser().evaluate("document.querySelector('.change .step input:checked').value"), "3") << "as it stands";
  browser().click(".change [data-outcome='-1'] input");
  browser().click(".change button.primary");
  browser().wait_for("document.activeElement.innerText === 'Decisión guardada.'");
  EXPECT_EQ(api("GET", cat("/api/projects/", project, "/items")).at("json")["items"][0]["adjudication"]["outcome"], -1);
  check_quiet();
}

TEST_F(DeskPageTest, AReviewerSettlesFlagsAndRewritesByKeyboardAlone) {
  join(storage::Role::engineer, "yaku");
  const std::string flagging = project_of_two("flagging", {"Llama al 555", "Pregunta en la oficina"});
  const std::string rewriting = project_of_two("rewrite", {"Una respuesta"});
  const Json phone{{"flags", {{{"side", "a"}, {"kind", "personal_data"}}}}, {"reason", "Hay un número"}};
  submit_body_as("kuyen", flagging, phone);
  submit_body_as("anahi", flagging, Json::object());
  submit_body_as("sayen", rewriting, {{"rewrite", "Ve a la **municipalidad**."}, {"reason", "Más directa"}});
  submit_body_as("ailen", rewriting, {{"rewrite", "Se paga en la municipalidad, de lunes a viernes.\n\n- de 9 a 13"}});
  browser().new_page(1280, 860);
  join(storage::Role::reviewer, "amaru");
  const auto open = [&](const std::string& project) {
    view("#/review", "review");
    view(cat("#/review/", project), "review");
    browser().wait_for("document.querySelector('.disagreement form')");
  };
  const auto decided = [&] {
    browser().wait_for("document.querySelector('.disagreement .done')?.innerText === 'Decisión guardada.'");
  };
  const auto verdict = [&](const std::string& project) {
    return api("GET", cat("/api/projects/", project, "/items")).at("json").at("items").at(0).at("adjudication");
  };
  open(flagging);
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.disagreement input[type=text]:not([hidden])').length"), 0);
  // Which of the two the annotator saw as the left one was drawn.
  EXPECT_EQ(browser().evaluate("[/[AB] Contiene datos personales/, /nada que avisar/].every((said) => "
                               "said.test(document.querySelector('.disagreement table').innerText))"),
            true);
  browser().run("document.querySelector('.disagreement form button.primary').focus()");
  browser().press("Enter");
  browser().wait_for("document.querySelector('.disagreement .problem')?.innerText.includes('No hay nada marcado')");
  EXPECT_TRUE(verdict(flagging).is_null()) << "nothing marked is asked about once";
  browser().run("document.querySelectorAll('.disagreement fieldset input[type=checkbox]')[1].focus()");
  browser().press(" ");
  EXPECT_EQ(browser().evaluate("document.querySelector('.disagreement .problem').hidden"), true);
  check_view("review-flags");
  browser().run("document.querySelector('.disagreement form button.primary').focus()");
  browser().press("Enter");
  decided();
  EXPECT_EQ(verdict(flagging).at("flags"), Json::array({{{"side", "a"}, {"kind", "personal_data"}}}));
  open(rewriting);
  EXPECT_EQ(browser().evaluate("document.querySelectorAll('.choice').length"), 2);
  EXPECT_EQ(browser().evaluate("/P-.*P-/s.test(document.querySelector('.disagreement form').innerText) && "
                               "!/sayen|ailen/.test(document.querySelector('.disagreement').innerText)"),
            true)
      << "under pseudonyms";
  browser().run("document.querySelector('.disagreement form button.primary').focus()");
  browser().press("Enter");
  browser().wait_for(
      "document.querySelector('.disagreement .problem')?.innerText === 'Elige primero una reescritura.'");
  browser().run("document.querySelector('.choice input').focus()");
  browser().press("ArrowDown");
  check_view("review-rewrites");
  browser().run("document.querySelector('.disagreement form button.primary').focus()");
  browser().press("Enter");
  decided();
  const Json chosen = verdict(rewriting).at("submission");
  EXPECT_EQ(chosen,
            api("GET", cat("/api/projects/", rewriting, "/items")).at("json")["items"][0]["submissions"][1]["id"]);
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
  EXPECT_NE(text_of("#import-result .done").find("Conversaciones: 2."), std::string::npos) << text_of("#import-result");
  EXPECT_TRUE(text_of("#import-result code").starts_with("AFINA-")) << "the code that takes the file back";
  EXPECT_EQ(browser().evaluate("document.querySelector('#import-result tbody th').innerText"), "2") << "the bad line";
  const std::string why = text_of("#import-result tbody td");
  EXPECT_TRUE(why.starts_with("Falta algo necesario")) << why;
  EXPECT_NE(why.find("[row] must have a question and an answer"), std::string::npos) << "what the server said stays";
  check_view("import");
  write_file_atomic(folder.path() / "foto.jsonl", std::string("\x89PNG\r\n\x1a\n\0\0", 10));
  browser().choose_files("#import-form input[type=file]", {folder.path() / "foto.jsonl"});
  browser().run(
      "for (const name of ['source', 'licence', 'declaration']) "
      "document.querySelector(`#import-form input[name=${name}]`).value = 'x'");
  browser().click("#import-form button.primary");
  browser().wait_for("document.querySelector('#import-result .problem')");
  EXPECT_TRUE(text_of("#import-result .problem").starts_with("No se importó nada")) << text_of("#import-result");
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
