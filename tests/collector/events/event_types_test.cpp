// SPDX-License-Identifier: Apache-2.0
// Every type of event, by the acts that it is named after: what is done over HTTP is on its way to the webhooks that
// asked for it, and to no other.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "storage/events/outbox.h"
#include "tests/collector/proxy/token_client.h"
#include "tests/storage/events/listener.h"

namespace afina::collector {
namespace {

constexpr const char* kChat = "/v1/chat/completions";

struct EventTypes : TokenWorld {
  /// A webhook for each type.
  void listen_to_each() {
    database_->transaction([&](storage::Transaction& t) {
      for (const std::string_view type : storage::kEventTypes)
        hooks_[std::string(type)] = storage::listen(t, {std::string(type)});
    });
  }
  /// Deliveries by type, each checked to be on its way to the one webhook that asked.
  std::map<std::string, int> told() {
    std::map<std::string, int> types;
    const storage::Result all = rows(
        "SELECT o.type, d.webhook_id::text AS hook, o.payload::text AS payload FROM delivery d "
        "JOIN outbox o ON o.id = d.event_id");
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].text("hook"), hooks_.at(all[i].text("type"))) << all[i].text("type");
      EXPECT_EQ(all[i].text("payload").find("modelo-"), std::string::npos) << "a pair may still be blind";
      EXPECT_EQ(all[i].text("payload").find("harina"), std::string::npos) << "no texts";
      ++types[all[i].text("type")];
    }
    return types;
  }
  void page() {
    Caller ana = visitor();
    const Json pair = ana.ask().event("done");
    const Reply vote = ana.post("/api/votes", {{"exposure", pair["exposure"]}, {"outcome", 1}});
    ASSERT_EQ(vote.status, 201) << vote.json.dump();
    const Reply undo = ana.post(cat("/api/votes/", vote.json["id"].get<std::string>(), "/undo"));
    ASSERT_LT(undo.status, 300) << undo.json.dump();
    Caller luz = visitor();
    const Json turn = luz.ask("hola", 1).event("done");
    const std::string notes = cat("/api/answers/", luz.conversation, "/", turn["id"].get<std::string>(), "/notes");
    const std::string key = new_uuid();
    ASSERT_EQ(luz.post(notes, {{"reason", "clara"}}, key).status, 201);
    ASSERT_EQ(luz.post(notes, {{"reason", "clara"}}, key).status, 200) << "said again it is no new act";
    ASSERT_EQ(luz.post("/api/withdraw", {{"receipt_code", luz.receipt}}).status, 200);
    ASSERT_EQ(luz.post("/api/withdraw", {{"receipt_code", luz.receipt}}).status, 200);
  }
  void proxy() {
    const Program program = proxy_program();
    const auto ask = [&](const std::string& model) {
      const Json body{{"model", model}, {"messages", {{{"role", "user"}, {"content", "hola"}}}}};
      return program.post(kChat, body).json.at("id").get<std::string>();
    };
    const auto say = [&](const std::string& id) {
      return program.post("/v1/feedback", {{"completion_id", id}, {"score", 2}}).json.value("kind", "");
    };
    const int64_t before = count("exposure");
    EXPECT_EQ(say(ask("modelo-good")), "answer_note");
    const std::string pair = ask("arena");
    ASSERT_TRUE(wait_for("exposure", before + 1));
    EXPECT_EQ(say(pair), "preference");
  }
  void tasks() {
    const Program engineer = program(storage::Role::engineer, {"tasks", "data"});
    const Program annotator = program(storage::Role::annotator, {"tasks"});
    const Reply made = engineer.post("/api/projects",
                                     {{"name", "p"},
                                      {"kind", "pairwise"},
                                      {"locale", "es"},
                                      {"guidelines", "# Guía"},
                                      {"overlap", 1},
                                      {"lease_seconds", 600}},
                                     new_uuid());
    ASSERT_EQ(made.status, 201) << made.json.dump();
    const std::string project = cat("/api/projects/", made.json["id"].get<std::string>());
    const Json item{{"external_id", "n1"},
                    {"prompt", {{{"role", "user"}, {"content", "¿?"}}}},
                    {"answers", {{{"text", "Soy ChatGPT, hecho por OpenAI."}}, {{"text", "dos"}}}}};
    ASSERT_LT(engineer.post(project + "/items", {{"items", {item}}}, new_uuid()).status, 300);
    const Json task = annotator.post(project + "/next", Json::object(), new_uuid()).json["task"];
    const std::string submit = cat("/api/assignments/", task.at("assignment").get<std::string>(), "/submit");
    const Reply done = annotator.post(submit, {{"outcome", 1}}, new_uuid());
    ASSERT_EQ(done.status, 201) << done.json.dump();
  }
  void import() {
    const Program engineer = program(storage::Role::engineer, {"data"});
    http::ClientOptions options;
    options.base_url = collector_->address();
    http::Headers headers;
    headers.set("Authorization", cat("Bearer ", engineer.token()));
    const std::string path = "/api/imports?format=jsonl&name=prueba&licence=CC-BY-4.0&declaration=propio";
    const std::string file = R"({"prompt":"hola","chosen":"a","rejected":"b","annotator":"x","locale":"es"})";
    EXPECT_EQ(http::Client(options).request("POST", path, file, headers).status, 201);
    EXPECT_EQ(http::Client(options).request("POST", path, file, headers).status, 200) << "again";
  }
  std::map<std::string, std::string> hooks_;
};

TEST_F(EventTypes, AreTheActsTheyAreNamedAfterAndGoWhereTheyWereAskedFor) {
  start({"good", "other"});
  page();
  EXPECT_TRUE(told().empty()) << "control: nobody had asked";
  listen_to_each();
  page();
  proxy();
  tasks();
  import();
  const Program admin = program(storage::Role::admin, {"admin"});
  EXPECT_EQ(admin.post(cat("/api/webhooks/", hooks_.at("webhook.test"), "/test"), Json::object()).status, 202);
  const std::map<std::string, int> expected{
      {"conversation.created", 2 + 2},  // page, proxy; a file's conversations are the import's event
      {"answer.created", 2 + 1 + 1 + 2}, {"preference.created", 3},  // page, proxy, task
      {"preference.retracted", 1},       {"answer_note.created", 2}, {"task.submitted", 1}, {"project.finished", 1},
      {"visitor.withdrawn", 1},          {"import.finished", 1},     {"webhook.test", 1}};
  EXPECT_EQ(told(), expected);
  EXPECT_EQ(expected.size(), std::size(storage::kEventTypes)) << "every type";
}

TEST_F(EventTypes, ATasksAnswerThatNamesItsMakerMarksItsSide) {
  start({"good"});
  tasks();
  EXPECT_EQ(count("exposure e JOIN pair p ON p.id = e.pair_id JOIN generation a ON a.id = p.generation_a_id "
                  "WHERE e.leak_a = (a.text LIKE '%ChatGPT%') AND e.leak_b = (a.text NOT LIKE '%ChatGPT%')"),
            1);
}

}  // namespace
}  // namespace afina::collector
