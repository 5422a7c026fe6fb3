// SPDX-License-Identifier: Apache-2.0
// Files over HTTP, by the role that serves people: who may, what is refused, what comes out.
#include <gtest/gtest.h>

#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

using storage::Role;

const std::string kFile =
    "{\"prompt\":\"¿Qué como?\",\"chosen\":\"Una cazuela "
    "🍲\",\"rejected\":\"Nada\",\"annotator\":\"ana@example.org\",\"locale\":\"es-CL\"}\n"
    "nada\n";
const std::string kDeclared = "&name=prueba&licence=CC-BY-4.0&declaration=propio";

class TransferRoutes : public MembersWorld {
 protected:
  http::ClientResponse send(const Credentials& who, const std::string& method, const std::string& path,
                            const std::string& body = "") const {
    http::ClientOptions options;
    options.base_url = collector_->address();
    return http::Client(options).request(method, path, body, who.headers);
  }
  std::string pairs_project(const Credentials& engineer) {
    const Reply made = post(engineer, "/api/projects",
                            {{"name", "pares " + new_uuid()},
                             {"kind", "pairwise"},
                             {"locale", "es"},
                             {"guidelines", "# Guía"},
                             {"overlap", 1},
                             {"lease_seconds", 600}});
    EXPECT_EQ(made.status, 201) << made.json.dump();
    return made.json.value("id", "");
  }
  /// A rating project of one item, which somebody rated for that reason. Returns the project.
  std::string rated(const std::string& reason) {
    const std::vector<std::string> scopes{"tasks", "data"};
    const Credentials engineer = token_of(member(Role::engineer), scopes),
                      ana = token_of(member(Role::annotator), scopes);
    const Reply made = post(engineer, "/api/projects",
                            {{"name", reason},
                             {"kind", "rating"},
                             {"locale", "es"},
                             {"guidelines", "# Guía"},
                             {"overlap", 1},
                             {"lease_seconds", 600},
                             {"aspects", {"helpful"}}});
    EXPECT_EQ(made.status, 201) << made.json.dump();
    const std::string id = made.json.value("id", "");
    const Json item{{"prompt", {{{"role", "user"}, {"content", "¿Qué?"}}}}, {"answers", {{{"text", "Eso."}}}}};
    EXPECT_EQ(post(engineer, cat("/api/projects/", id, "/items"), {{"items", Json::array({item})}}).status, 201);
    const Json task = post(ana, cat("/api/projects/", id, "/next")).json["task"];
    const Reply put = post(ana, cat("/api/assignments/", task.value("assignment", ""), "/submit"),
                           {{"reason", reason}, {"aspects", {{{"side", "a"}, {"aspect", "helpful"}, {"value", 4}}}}});
    EXPECT_EQ(put.status, 201) << put.json.dump();
    return id;
  }
};

TEST_F(TransferRoutes, a_file_comes_in_once_and_goes_out_under_pseudonyms) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"data"});
  const auto first = send(engineer, "POST", "/api/imports?format=jsonl" + kDeclared, kFile);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(first.json()["judgements"], 1);
  EXPECT_EQ(first.json()["skipped"][0]["line"], 2);
  EXPECT_FALSE(first.json()["receipt_code"].get<std::string>().empty());
  const auto again = send(engineer, "POST", "/api/imports?format=jsonl" + kDeclared, kFile);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.json()["repeated"], true);
  const auto list = send(engineer, "GET", "/api/imports").json();
  ASSERT_EQ(list["imports"].size(), 1U);
  EXPECT_EQ(list["imports"][0]["licence"], "CC-BY-4.0");
  const auto out = send(engineer, "GET", "/api/exports/judgements.jsonl?locale=es");
  ASSERT_EQ(out.status, 200);
  EXPECT_EQ(out.headers.get("Content-Type"), "application/jsonl");
  const Json row = parse_json(out.body.substr(0, out.body.find('\n')), "export");
  EXPECT_EQ(row["answer_a"], "Una cazuela 🍲");
  EXPECT_EQ(out.body.find("ana@"), std::string::npos);
  EXPECT_EQ(send(engineer, "GET", "/api/exports/dpo.parquet").body.substr(0, 4), "PAR1");
  EXPECT_EQ(send(engineer, "GET", "/api/exports/dpo.jsonl").body.find("\"margin\""), std::string::npos)
      << "a column of nulls ends TRL's reward trainer";
  EXPECT_NE(send(engineer, "GET", "/api/exports/dpo.jsonl?margin_scale=1").body.find("\"margin\":"), std::string::npos);
  EXPECT_EQ(send(engineer, "GET", "/api/exports/dpo.jsonl?purpose=publish").body, "")
      << "the declaration does not cover it";
}

TEST_F(TransferRoutes, a_file_in_a_project_is_taken_back_by_its_receipt) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"tasks", "data", "review"}),
                    ana = token_of(member(Role::annotator), {"tasks"});
  const std::string project = pairs_project(engineer);
  const auto brought = send(engineer, "POST", cat("/api/imports?format=jsonl&project=", project, kDeclared), kFile);
  ASSERT_EQ(brought.status, 201) << brought.body;
  EXPECT_EQ(brought.json()["items"], 1);
  const std::string next = cat("/api/projects/", project, "/next");
  EXPECT_TRUE(post(ana, next).json["task"].is_object()) << "the control";
  const Reply gone = post(visitor_credentials(), "/api/withdraw", {{"receipt_code", brought.json()["receipt_code"]}});
  EXPECT_EQ(gone.status, 200) << gone.json.dump();
  EXPECT_EQ(gone.json["conversations"], 1);
  EXPECT_TRUE(post(ana, next).json["task"].is_null());
  EXPECT_TRUE(get(engineer, cat("/api/projects/", project, "/items")).json["items"][0]["prompt"].empty());
}

TEST_F(TransferRoutes, a_file_in_a_project_serves_the_purposes_that_were_declared) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"tasks", "data"});
  const auto judged = [&](const std::string& purposes, const std::string& file) {
    const std::string project = pairs_project(engineer);
    const Credentials ana = token_of(member(Role::annotator), {"tasks"});
    const auto brought = send(
        engineer, "POST", cat("/api/imports?format=jsonl&purposes=", purposes, "&project=", project, kDeclared), file);
    EXPECT_EQ(brought.status, 201) << brought.body;
    const Json task = post(ana, cat("/api/projects/", project, "/next")).json["task"];
    if (task.is_null()) return false;
    const Reply put = post(ana, cat("/api/assignments/", task.value("assignment", ""), "/submit"), {{"outcome", 2}});
    EXPECT_EQ(put.status, 201) << put.json.dump();
    return true;
  };
  const auto pair = [](const std::string& prompt) {
    return Json{{"prompt", prompt}, {"chosen", "Una cazuela"}, {"rejected", "Nada"}}.dump() + "\n";
  };
  EXPECT_TRUE(judged("review", pair("¿Qué como?")));
  EXPECT_EQ(send(engineer, "GET", "/api/exports/dpo.jsonl").body, "") << "nobody declared that it may train";
  const auto alone = send(engineer, "POST",
                          cat("/api/imports?format=jsonl&purposes=train&project=", pairs_project(engineer), kDeclared),
                          pair("¿Qué bebo?"));
  EXPECT_EQ(alone.status, 400) << "nobody declared that others may judge it, and nobody would ever be given it";
  EXPECT_NE(alone.body.find("purposes"), std::string::npos) << alone.body;
  EXPECT_TRUE(judged("train,review", pair("¿Qué leo?")));
  EXPECT_NE(send(engineer, "GET", "/api/exports/dpo.jsonl").body.find("¿Qué leo?"), std::string::npos) << "the control";
}

TEST_F(TransferRoutes, another_workspace_sees_nothing_of_it) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"data"});
  ASSERT_EQ(send(engineer, "POST", "/api/imports?format=jsonl" + kDeclared, kFile).status, 201);
  const std::string other = workspace("otra");
  const Credentials stranger = token_of(member(Role::engineer, other), {"data"}, other);
  EXPECT_TRUE(send(stranger, "GET", "/api/imports").json()["imports"].empty());
  for (const char* kind :
       {"judgements", "dpo", "sft", "kto", "rankings", "conversations", "submissions", "notes", "scores"})
    EXPECT_EQ(send(stranger, "GET", cat("/api/exports/", kind, ".jsonl")).body, "") << kind;
}

TEST_F(TransferRoutes, a_kind_that_is_none_is_told_which_there_are) {
  start_as_web();
  const auto no = send(token_of(member(Role::engineer), {"data"}), "GET", "/api/exports/submission.jsonl");
  EXPECT_EQ(no.status, 404);
  EXPECT_NE(no.body.find("judgements, dpo, sft, kto, rankings, conversations, submissions, notes or scores"),
            std::string::npos)
      << no.body;
}

TEST_F(TransferRoutes, what_annotators_handed_in_comes_out_by_project_in_both_forms) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"data"});
  const std::string project = rated("Muy claro, ñandú");
  rated("de otro proyecto");
  const auto lines = send(engineer, "GET", "/api/exports/submissions.jsonl?project=" + project);
  ASSERT_EQ(lines.status, 200) << lines.body;
  EXPECT_EQ(lines.headers.get("Content-Disposition"), "attachment; filename=\"afina-submissions.jsonl\"");
  ASSERT_EQ(std::count(lines.body.begin(), lines.body.end(), '\n'), 1);
  const Json row = parse_json(lines.body, "export");
  EXPECT_EQ(row["reason"], "Muy claro, ñandú");
  EXPECT_EQ(row["project_id"], project);
  EXPECT_EQ(row["aspects"].size(), 1U);
  const auto all = send(engineer, "GET", "/api/exports/submissions.jsonl").body;
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 2) << "the control";
  EXPECT_EQ(send(engineer, "GET", "/api/exports/submissions.parquet").body.substr(0, 4), "PAR1");
  EXPECT_EQ(send(engineer, "GET", "/api/exports/notes.parquet").body.substr(0, 4), "PAR1");
  const std::string other = workspace("otra");
  const Credentials stranger = token_of(member(Role::engineer, other), {"data"}, other);
  EXPECT_EQ(send(stranger, "GET", "/api/exports/submissions.jsonl").body, "");
  EXPECT_EQ(send(stranger, "GET", "/api/exports/submissions.jsonl?project=" + project).status, 404);
}

TEST_F(TransferRoutes, only_engineers_with_the_scope_may) {
  start_as_web();
  const Credentials annotator = member(Role::annotator), auditor = member(Role::auditor);
  EXPECT_EQ(send(token_of(annotator, {"data"}), "GET", "/api/exports/judgements.jsonl").status, 403);
  EXPECT_EQ(send(token_of(member(Role::engineer), {"read"}), "GET", "/api/exports/judgements.jsonl").status, 403);
  EXPECT_EQ(send(token_of(auditor, {"data"}), "GET", "/api/imports").status, 200);
  EXPECT_EQ(send(token_of(auditor, {"data"}), "POST", "/api/imports?format=jsonl" + kDeclared, kFile).status, 403);
  EXPECT_EQ(send({}, "GET", "/api/exports/judgements.jsonl").status, 401);
}

TEST_F(TransferRoutes, what_is_missing_or_unknown_is_refused_and_changes_nothing) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"data"});
  struct Case {
    const char* method;
    std::string path, body;
    int status;
  };
  const Case cases[] = {
      {"POST", "/api/imports?format=xml" + kDeclared, kFile, 400},
      {"POST", "/api/imports?format=jsonl&name=x&licence=y", kFile, 400},
      {"POST", "/api/imports?format=jsonl" + kDeclared, "", 400},
      {"POST", "/api/imports?format=jsonl&purposes=spam" + kDeclared, kFile, 400},
      {"POST", "/api/imports?format=jsonl&rating_max=x" + kDeclared, kFile, 400},
      {"POST", "/api/imports?format=jsonl&project=nada" + kDeclared, kFile, 404},
      {"GET", "/api/exports/secrets.jsonl", "", 404},
      {"GET", "/api/exports/dpo.csv", "", 404},
      {"GET", "/api/exports/dpo.jsonl?since=ayer", "", 400},
      {"GET", "/api/exports/dpo.jsonl?since=2026-13-01", "", 400},
      {"GET", "/api/exports/dpo.jsonl?since=2026-02-30", "", 400},
      {"GET", "/api/exports/dpo.jsonl?since=2026-11-21T24:01:00Z", "", 400},
      {"GET", "/api/exports/dpo.jsonl?purpose=train,publish", "", 400},
      {"GET", "/api/exports/dpo.jsonl?purposes=publish", "", 400},
      {"POST", "/api/imports?format=jsonl&license=x" + kDeclared, kFile, 400},
      {"GET", "/api/exports/dpo.jsonl?purpose=sell", "", 400},
      {"GET", "/api/exports/dpo.jsonl?margin_scale=-1", "", 400},
      {"GET", "/api/exports/dpo.jsonl?project=00000000-0000-7000-8000-000000000009", "", 404},
  };
  for (const Case& c : cases)
    EXPECT_EQ(send(engineer, c.method, c.path, c.body).status, c.status) << c.method << " " << c.path;
  EXPECT_TRUE(send(engineer, "GET", "/api/imports").json()["imports"].empty());
}

}  // namespace
}  // namespace afina::collector
