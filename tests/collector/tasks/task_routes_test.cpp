// SPDX-License-Identifier: Apache-2.0
// Tasks over HTTP: an engineer makes a project, annotators work, a reviewer decides.
#include <fstream>

#include "collector/tasks/routes.h"
#include "storage/runs.h"
#include "tests/collector/tasks/task_routes_world.h"

namespace afina::collector {
namespace {

using TaskRoutes = TaskRoutesWorld;

TEST_F(TaskRoutes, FromProjectToSubmissionWithADraftThatOutlivesAReload) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const std::string id = project(engineer);
  EXPECT_EQ(add(engineer, id, {item(1), item(2)}).json, (Json{{"added", 2}, {"existing", 0}}));
  EXPECT_EQ(add(engineer, id, {item(2), item(3)}).json, (Json{{"added", 1}, {"existing", 1}}));
  const Json task = next(ana, id)["task"];
  ASSERT_TRUE(task.is_object());
  EXPECT_EQ(task["phase"], "work");
  EXPECT_EQ(task["answers"].size(), 2u);
  EXPECT_EQ(task["answers"][0]["side"], "a");
  EXPECT_TRUE(task["draft"].is_null());
  const std::string path = cat("/api/assignments/", task["assignment"].get<std::string>());
  EXPECT_EQ(post(ana, path + "/draft", {{"rev", 0}, {"body", {{"reason", "kümelen 🙂"}}}}).json["rev"], 1);
  const Reply stale = post(ana, path + "/draft", {{"rev", 0}, {"body", {{"reason", "x"}}}});
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.code(), "draft_stale");
  EXPECT_EQ(stale.json["draft"], (Json{{"rev", 1}, {"body", {{"reason", "kümelen 🙂"}}}}));
  const Json again = next(ana, id)["task"];
  EXPECT_EQ(again["assignment"], task["assignment"]);
  EXPECT_EQ(again["draft"]["body"]["reason"], "kümelen 🙂");
  EXPECT_TRUE(post(ana, path + "/heartbeat").json.contains("lease_until"));
  const Json verdict{{"outcome", 2},
                     {"reason", "más claro"},
                     {"aspects", {{{"side", "a"}, {"aspect", "dialect"}, {"value", 4}}}},
                     {"flags", {{{"side", "b"}, {"kind", "toxic"}}}},
                     {"spans", {{{"side", "a"}, {"start", 0}, {"end", 2}, {"kind", "good"}}}},
                     {"confidence", 3},
                     {"ms_to_decide", 4000}};
  const Reply first = post(ana, path + "/submit", verdict, "llave");
  EXPECT_EQ(first.status, 201) << first.json.dump();
  const Reply repeat = post(ana, path + "/submit", verdict, "llave");
  EXPECT_EQ(repeat.status, 200);
  EXPECT_EQ(repeat.json, first.json);
  const Reply other = post(ana, path + "/submit", {{"outcome", 1}}, "llave");
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(other.code(), "key_reused");
  EXPECT_EQ(count("count(*) FROM preference"), 1);
  const Json mine = get(ana, "/api/projects").json["projects"][0];
  EXPECT_EQ(mine["mine_done"], 1);
  EXPECT_EQ(mine["done"], 1);
  EXPECT_EQ(mine["items"], 3);
  EXPECT_TRUE(mine["training"].is_null());
}

TEST_F(TaskRoutes, NothingInATaskTellsGoldFromWork) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  Json body = settings();
  body["gold_rate"] = 0.5;
  const std::string id = project(engineer, body);
  Json gold = item(1);
  gold["gold"] = {{"outcome", 3}};
  add(engineer, id, {gold, item(2), item(3), item(4)});
  std::set<std::string> fields;
  int golds = 0;
  for (int i = 0; i < 4; ++i) {
    const Json task = next(ana, id)["task"];
    if (task.is_null()) break;
    std::string names = task["phase"];
    for (const auto& [name, value] : task.items())
      names += " " + name;
    fields.insert(names);
    const std::string assignment = task["assignment"];
    golds += static_cast<int>(count(cat("count(*) FROM assignment WHERE phase = 'gold' AND id = '", assignment, "'")));
    const Reply put = post(ana, cat("/api/assignments/", assignment, "/submit"), {{"outcome", 1}});
    EXPECT_EQ(put.json.size(), 1u) << put.json.dump();
  }
  EXPECT_EQ(fields.size(), 1u);
  EXPECT_LE(golds, 1);
  EXPECT_FALSE(get(ana, "/api/projects/" + id).json.contains("gold_rate"));
  EXPECT_TRUE(get(engineer, "/api/projects/" + id).json.contains("gold_rate"));
}

TEST_F(TaskRoutes, ALateAnswerIsRefusedAndItsDraftKept) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const std::string id = project(engineer);
  add(engineer, id, Json::array({item(1)}));
  const Json task = next(ana, id)["task"];
  const std::string path = cat("/api/assignments/", task["assignment"].get<std::string>());
  post(ana, path + "/draft", {{"rev", 0}, {"body", {{"outcome", 2}}}});
  database_->transaction([](storage::Transaction& t) {
    t.script("UPDATE assignment SET lease_until = clock_timestamp() - interval '1 minute'");
  });
  const Reply late = post(ana, path + "/submit", {{"outcome", 2}});
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(late.code(), "lease_lost");
  EXPECT_EQ(post(ana, path + "/heartbeat").code(), "lease_lost");
  const Json again = next(ana, id)["task"];
  EXPECT_EQ(again["assignment"], task["assignment"]);
  EXPECT_EQ(again["draft"]["body"], (Json{{"outcome", 2}}));
  EXPECT_EQ(post(ana, path + "/submit", {{"outcome", 2}}).status, 201);
  EXPECT_EQ(next(ana, id), (Json{{"task", nullptr}, {"reason", "none_left"}}));
}

TEST_F(TaskRoutes, WhatWasHandedInBeforeIsToldApartFromALeaseThatEnded) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const std::string id = project(engineer);
  add(engineer, id, Json::array({item(1)}));
  const std::string path = cat("/api/assignments/", next(ana, id)["task"]["assignment"].get<std::string>());
  ASSERT_EQ(post(ana, path + "/submit", {{"outcome", 2}}).status, 201);
  const Reply twice = post(ana, path + "/submit", {{"outcome", -2}});
  EXPECT_EQ(twice.status, 409);
  EXPECT_EQ(twice.code(), "already_submitted");
  EXPECT_EQ(post(ana, path + "/heartbeat").code(), "already_submitted");
  EXPECT_EQ(count("count(*) FROM submission"), 1);
}

TEST_F(TaskRoutes, WhoWithdrewActsOnNoTask) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const std::string id = project(engineer);
  add(engineer, id, Json::array({item(1)}));
  const std::string path = cat("/api/assignments/", next(ana, id)["task"]["assignment"].get<std::string>());
  EXPECT_EQ(post(ana, path + "/draft", {{"rev", 0}, {"body", Json::object()}}).status, 200) << "the control";
  database_->transaction([&](storage::Transaction& t) { storage::withdraw_visitor(t, ana.visitor_id); });
  for (const auto& [act, body] :
       std::vector<std::pair<std::string, Json>>{{"/draft", {{"rev", 0}, {"body", {{"reason", "mi vecina"}}}}},
                                                 {"/skip", {{"reason", "la conozco"}}},
                                                 {"/heartbeat", Json::object()},
                                                 {"/submit", {{"outcome", 1}}}}) {
    const Reply refused = post(ana, path + act, body);
    EXPECT_EQ(refused.status, 401) << act;
    EXPECT_EQ(refused.code(), "consent_required") << act;
  }
  EXPECT_EQ(count("count(*) FROM draft"), 0);
  EXPECT_EQ(count("count(*) FROM assignment WHERE state = 'skipped'"), 0);
}

TEST_F(TaskRoutes, AnotherWorkspaceFindsNothing) {
  const std::string other =
      database_->transaction([](storage::Transaction& t) { return storage::ensure_workspace(t, "otra").id; });
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const Member stranger = member(storage::Role::admin, {"tasks", "review", "data"}, other);
  const std::string id = project(engineer);
  add(engineer, id, Json::array({item(1)}));
  const Json task = next(ana, id)["task"];
  const std::string assignment = cat("/api/assignments/", task["assignment"].get<std::string>());
  EXPECT_EQ(get(stranger, "/api/projects").json["projects"].size(), 0u);
  EXPECT_EQ(get(stranger, "/api/projects/" + id).status, 404);
  EXPECT_EQ(post(stranger, "/api/projects/" + id, {{"state", "paused"}}).status, 404);
  EXPECT_EQ(post(stranger, cat("/api/projects/", id, "/next")).status, 404);
  EXPECT_EQ(add(stranger, id, Json::array({item(9)})).status, 404);
  EXPECT_EQ(post(stranger, cat("/api/projects/", id, "/items/from"), {{"source", "review"}, {"limit", 1}}).status, 404);
  EXPECT_EQ(get(stranger, cat("/api/projects/", id, "/items")).status, 404);
  EXPECT_EQ(get(stranger, cat("/api/projects/", id, "/disagreements")).status, 404);
  EXPECT_EQ(post(stranger, cat("/api/items/", task["item"].get<std::string>(), "/adjudicate"), {{"outcome", 1}}).status,
            404);
  for (const char* act : {"/heartbeat", "/skip", "/draft", "/submit"}) {
    const Json body = std::string(act) == "/skip"     ? Json{{"reason", "x"}}
                      : std::string(act) == "/draft"  ? Json{{"rev", 0}, {"body", Json::object()}}
                      : std::string(act) == "/submit" ? Json{{"outcome", 1}}
                                                      : Json::object();
    EXPECT_EQ(post(stranger, assignment + act, body).status, 404) << act;
    EXPECT_EQ(post(engineer, assignment + act, body).status, 404) << act << " of a colleague";
  }
  EXPECT_EQ(count("count(*) FROM submission"), 0);
  EXPECT_EQ(count("count(*) FROM item"), 1);
}

TEST_F(TaskRoutes, RolesAndScopesHold) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const Member reader = member(storage::Role::engineer, {"read"}), auditor = member(storage::Role::auditor);
  const std::string id = project(engineer);
  add(engineer, id, Json::array({item(1)}));
  EXPECT_EQ(post(ana, "/api/projects", settings()).status, 403);
  EXPECT_EQ(add(ana, id, Json::array({item(2)})).status, 403);
  EXPECT_EQ(get(ana, cat("/api/projects/", id, "/items")).status, 403);
  EXPECT_EQ(post(reader, "/api/projects", settings()).code(), "wrong_scope");
  EXPECT_EQ(get(auditor, cat("/api/projects/", id, "/items")).status, 200);
  EXPECT_EQ(post(auditor, cat("/api/projects/", id, "/next")).status, 403);
  EXPECT_EQ(somebody().get("/api/projects").status, 401);
}

TEST_F(TaskRoutes, BadBodiesAreRefusedAndChangeNothing) {
  const Member engineer = member(storage::Role::engineer), ana = member(storage::Role::annotator);
  const std::string id = project(engineer);
  add(engineer, id, Json::array({item(1)}));
  const Json task = next(ana, id)["task"];
  const std::string path = cat("/api/assignments/", task["assignment"].get<std::string>());
  for (const Json& body :
       {Json::object(), Json{{"outcome", 4}}, Json{{"outcome", "better"}}, Json{{"outcome", 18446744073709551615ULL}},
        Json{{"tiers", {{"a"}, {"b"}}}}, Json{{"outcome", 1}, {"extra", 1}}, Json{{"outcome", 1}, {"confidence", 0}},
        Json{{"outcome", 1}, {"aspects", {{{"side", "c"}, {"aspect", "helpful"}, {"value", 3}}}}},
        Json{{"outcome", 1}, {"aspects", {{{"side", "a"}, {"aspect", "nice"}, {"value", 3}}}}},
        Json{{"outcome", 1}, {"reason", std::string("a\0b", 3)}}, Json{{"outcome", 1}, {"ms_to_decide", -1}},
        Json{{"outcome", 1}, {"reason", std::string(5000, 'x')}}, Json::array()})
    EXPECT_EQ(post(ana, path + "/submit", body).status, 400) << body.dump().substr(0, 80);
  EXPECT_EQ(post(ana, path + "/submit", {{"outcome", 1}}, "").status, 400) << "no key";
  for (const Json& body : {Json{{"rev", -1}, {"body", Json::object()}}, Json{{"rev", 0}, {"body", Json::array()}},
                           Json{{"rev", 0}}, Json{{"rev", 0}, {"body", {{"x", std::string("\0", 1)}}}},
                           Json{{"rev", 0}, {"body", {{"x", std::string(33000, 'y')}}}}})
    EXPECT_EQ(post(ana, path + "/draft", body).status, 400) << body.dump().substr(0, 80);
  for (const auto& [name, value] : std::vector<std::pair<std::string, Json>>{{"kind", "essay"},
                                                                             {"overlap", 0},
                                                                             {"overlap", 51},
                                                                             {"lease_seconds", 59},
                                                                             {"gold_rate", 0.6},
                                                                             {"gold_rate", "x"},
                                                                             {"training_items", 51},
                                                                             {"skip", "never"},
                                                                             {"aspects", {"nice"}},
                                                                             {"name", ""},
                                                                             {"guidelines", nullptr},
                                                                             {"unknown", 1}}) {
    Json body = settings();
    body[name] = value;
    EXPECT_EQ(post(engineer, "/api/projects", body).status, 400) << name;
  }
  Json bad = item(7);
  bad["answers"].push_back({{"text", "tres"}});
  EXPECT_EQ(add(engineer, id, {item(8), bad}).status, 422);
  EXPECT_EQ(add(engineer, id, {item(8), bad}).code(), "bad_item");
  bad = item(7);
  bad["surprise"] = 1;
  EXPECT_EQ(add(engineer, id, {item(8), bad}).status, 400);
  EXPECT_EQ(add(engineer, id, Json::array()).status, 400);
  EXPECT_EQ(post(engineer, cat("/api/projects/", id, "/items/from"), {{"source", "web"}, {"limit", 1}}).status, 400);
  EXPECT_EQ(post(ana, "/api/projects/zzz/next").status, 404);
  EXPECT_EQ(count("count(*) FROM submission"), 0);
  EXPECT_EQ(count("count(*) FROM draft"), 0);
  EXPECT_EQ(count("count(*) FROM project"), 1);
  EXPECT_EQ(count("count(*) FROM item"), 1);
}

TEST_F(TaskRoutes, AProjectIsMadeOnceForAKeyAndItsNameIsItsOwn) {
  const Member engineer = member(storage::Role::engineer);
  const Json body = settings();
  const Reply first = post(engineer, "/api/projects", body, "k");
  EXPECT_EQ(first.status, 201);
  const Reply repeat = post(engineer, "/api/projects", body, "k");
  EXPECT_EQ(repeat.status, 200);
  EXPECT_EQ(repeat.json, first.json);
  EXPECT_EQ(post(engineer, "/api/projects", settings(), "k").code(), "key_reused");
  EXPECT_EQ(post(engineer, "/api/projects", body, "k2").code(), "name_taken");
  const std::string path = cat("/api/projects/", first.json["id"].get<std::string>());
  const Json changed = post(engineer, path, {{"guidelines", "# Otra"}, {"state", "paused"}, {"overlap", 3}}).json;
  EXPECT_EQ(changed["guidelines_version"], 2);
  EXPECT_EQ(changed["state"], "paused");
  EXPECT_EQ(changed["overlap"], 3);
}

TEST_F(TaskRoutes, ExampleLossesAreReadFromTheRunsFolder) {
  TempFolder folder;
  std::ofstream(folder.path() / "examples.jsonl") << R"({"step":1,"row":0,"loss":0.7})"
                                                  << "\n"
                                                  << R"({"step":1,"row":1,"loss":1.5,"pair":"x"})"
                                                  << "\n"
                                                  << "not json\n"
                                                  << R"({"row":-1,"loss":9})"
                                                  << "\n"
                                                  << R"({"step":2,"row":0,"loss":0.2})"
                                                  << "\n"
                                                  << R"({"step":2,"ro)";
  const auto rows = read_example_losses((folder.path() / "examples.jsonl").string());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].loss, 0.2) << "the last one of a row";
  EXPECT_EQ(rows[1].loss, 1.5);
  storage::Run run;
  run.name = "r";
  run.model = "m";
  run.out_folder = folder.path().string();
  database_->transaction([&](storage::Transaction& t) { storage::create_run(t, run); });
  EXPECT_EQ(bring_example_losses(*database_, ""), run.id);
  EXPECT_EQ(count("count(*) FROM example_loss"), 2);
  EXPECT_THROW(bring_example_losses(*database_, new_uuid()), NotFound);
}

}  // namespace
}  // namespace afina::collector
