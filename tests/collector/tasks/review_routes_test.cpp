// SPDX-License-Identifier: Apache-2.0
// Where annotators part, over HTTP: what reviewers see and decide, for every kind of item.
#include "tests/collector/tasks/task_routes_world.h"

namespace afina::collector {
namespace {

class ReviewRoutes : public TaskRoutesWorld {
 protected:
  /// Two people hand in these bodies on a new project's only item, which they then part on.
  Json disputed(const std::string& kind, const std::vector<Json>& bodies) {
    Json rules = settings(kind);
    rules["overlap"] = bodies.size();
    project_ = project(engineer_, rules);
    add(engineer_, project_, Json::array({item(1)}));
    for (const Json& body : bodies) {
      const Member who = member(storage::Role::annotator);
      const Json task = next(who, project_)["task"];
      EXPECT_EQ(post(who, cat("/api/assignments/", task["assignment"].get<std::string>(), "/submit"), body).status,
                201);
    }
    const Json parted = get(reviewer_, cat("/api/projects/", project_, "/disagreements")).json["disagreements"];
    EXPECT_EQ(parted.size(), 1U);
    return parted.at(0);
  }
  Reply decide(const Json& on, const Json& verdict, const std::string& key = new_uuid()) {
    return post(reviewer_, cat("/api/items/", on.at("id").get<std::string>(), "/adjudicate"), verdict, key);
  }
  Json adjudication() {
    return get(reviewer_, cat("/api/projects/", project_, "/items")).json["items"][0]["adjudication"];
  }
  int64_t open_disputes() { return count("count(*) FROM item WHERE disputed"); }

  void SetUp() override {
    TaskRoutesWorld::SetUp();
    engineer_ = member(storage::Role::engineer);
    reviewer_ = member(storage::Role::reviewer);
  }
  Member engineer_, reviewer_;
  std::string project_;
};

TEST_F(ReviewRoutes, ReviewersSeePseudonymsAndDecide) {
  const Member engineer = member(storage::Role::engineer), reviewer = member(storage::Role::reviewer);
  Json body = settings();
  body["overlap"] = 2;
  const std::string id = project(engineer, body);
  add(engineer, id, Json::array({item(1)}));
  for (const int grade : {3, -3}) {
    const Member who = member(storage::Role::annotator);
    const Json task = next(who, id)["task"];
    const int left = task["answers"][0]["text"] == "uno" ? grade : -grade;
    EXPECT_EQ(post(who, cat("/api/assignments/", task["assignment"].get<std::string>(), "/submit"), {{"outcome", left}})
                  .status,
              201);
  }
  const Json parted = get(reviewer, cat("/api/projects/", id, "/disagreements")).json["disagreements"];
  ASSERT_EQ(parted.size(), 1u);
  EXPECT_EQ(parted[0]["submissions"].size(), 2u);
  EXPECT_EQ(parted[0].dump().find("persona-"), std::string::npos) << "no names";
  EXPECT_EQ(parted[0]["answers"][0]["text"], "uno");
  EXPECT_EQ(parted[0]["submissions"][0]["outcome"], 3);
  const std::string path = cat("/api/items/", parted[0]["id"].get<std::string>(), "/adjudicate");
  EXPECT_EQ(post(reviewer, path, {{"tiers", {{"a"}, {"b"}}}}).status, 422);
  EXPECT_EQ(post(reviewer, path, {{"outcome", 1}, {"ratings", Json::array()}}).status, 400);
  EXPECT_EQ(post(reviewer, path, {{"outcome", "both_bad"}, {"note", "ninguna"}}, "k").status, 201);
  EXPECT_EQ(post(reviewer, path, {{"outcome", "both_bad"}, {"note", "ninguna"}}, "k").status, 200);
  EXPECT_EQ(get(reviewer, cat("/api/projects/", id, "/disagreements")).json["disagreements"].size(), 0u);
  EXPECT_EQ(get(reviewer, cat("/api/projects/", id, "/items")).json["items"][0]["adjudication"]["outcome"], "both_bad");
}

TEST_F(ReviewRoutes, WhatWasDecidedIsListedApartWithTheVerdictThatStands) {
  const Json on = disputed("pairwise", {{{"outcome", 3}, {"ms_to_decide", 9000}}, {{"outcome", "both_bad"}}});
  const std::string decided = cat("/api/projects/", project_, "/items?decided=true");
  add(engineer_, project_, Json::array({item(2)}));
  EXPECT_EQ(get(reviewer_, decided).json["items"].size(), 0U);
  ASSERT_EQ(decide(on, {{"outcome", 2}}).status, 201);
  ASSERT_EQ(decide(on, {{"outcome", -1}, {"note", "mejor así"}}).status, 201);
  const Json items = get(reviewer_, decided).json["items"];
  ASSERT_EQ(items.size(), 1U) << "once, and the other item not";
  EXPECT_EQ(items[0]["adjudication"]["outcome"], -1);
  EXPECT_EQ(items[0]["adjudication"]["note"], "mejor así");
  EXPECT_EQ(get(reviewer_, cat("/api/projects/", project_, "/items?decided=perhaps")).status, 400);
}

TEST_F(ReviewRoutes, FlagsAreSettledBySayingWhichThereAre) {
  const Json parted = disputed("flagging", {{{"flags", {{{"side", "a"}, {"kind", "toxic"}}}}}, Json::object()});
  const Json verdict{{"flags", {{{"side", "b"}, {"kind", "personal_data"}}}}, {"note", "Da una dirección."}};
  EXPECT_EQ(decide(parted, verdict, "llave").status, 201);
  EXPECT_EQ(decide(parted, verdict, "llave").status, 200);
  EXPECT_EQ(decide(parted, {{"flags", Json::array()}}, "llave").code(), "key_reused");
  EXPECT_EQ(adjudication()["flags"], verdict["flags"]);
  EXPECT_EQ(adjudication()["note"], "Da una dirección.");
  EXPECT_EQ(open_disputes(), 0);
  EXPECT_EQ(decide(parted, {{"flags", Json::array()}}).status, 201);
  EXPECT_EQ(adjudication()["flags"], Json::array());
}

TEST_F(ReviewRoutes, RewritesAreSettledByChoosingOne) {
  const Json parted = disputed("rewrite", {{{"rewrite", "una manera"}}, {{"rewrite", "otra manera"}}});
  ASSERT_EQ(parted["submissions"].size(), 2U);
  EXPECT_EQ(parted["submissions"][1]["rewrite"], "otra manera");
  const Json verdict{{"submission", parted["submissions"][1]["id"]}};
  EXPECT_EQ(decide(parted, verdict).status, 201);
  EXPECT_EQ(adjudication()["submission"], verdict["submission"]);
  EXPECT_EQ(open_disputes(), 0);
}

TEST_F(ReviewRoutes, WhoWithdrewDecidesNothingAndTheirVerdictIsGone) {
  const Json on = disputed("pairwise", {{{"outcome", 3}, {"ms_to_decide", 9000}}, {{"outcome", "both_bad"}}});
  ASSERT_EQ(decide(on, {{"outcome", 2}, {"note", "por mi experiencia"}}).status, 201);
  const Json before = adjudication();
  EXPECT_EQ(before["note"], "por mi experiencia") << "the control";
  database_->transaction([&](storage::Transaction& t) { storage::withdraw_visitor(t, reviewer_.visitor_id); });
  EXPECT_TRUE(adjudication().is_null());
  EXPECT_EQ(open_disputes(), 1);
  const Reply refused = decide(on, {{"outcome", 2}});
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.code(), "consent_required");
  EXPECT_EQ(count("count(*) FROM adjudication"), 1);
}

TEST_F(ReviewRoutes, VerdictsThatSayNothingTooMuchOrTheWrongThingAreRefused) {
  const Json other = disputed("rewrite", {{{"rewrite", "lejos"}}, {{"rewrite", "más lejos"}}});
  const Json text = disputed("rewrite", {{{"rewrite", "una manera"}}, {{"rewrite", "otra manera"}}});
  const Json flags = disputed("flagging", {{{"flags", {{{"side", "a"}, {"kind", "toxic"}}}}}, Json::object()});
  const Json toxic{{"side", "a"}, {"kind", "toxic"}}, mine = text["submissions"][0]["id"];
  const Json bodies_400[] = {
      Json::object(),
      {{"note", "nada"}},
      {{"flags", nullptr}},
      {{"flags", "toxic"}},
      {{"flags", {"toxic"}}},
      {{"flags", {{{"side", "a"}}}}},
      {{"flags", {{{"side", "z9"}, {"kind", "toxic"}}}}},
      {{"flags", {{{"side", "a"}, {"kind", "rude"}}}}},
      {{"flags", {{{"side", "a"}, {"kind", "toxic"}, {"why", "sí"}}}}},
      {{"flags", {{{"side", "a"}, {"kind", "toxic"}, {"note", "insulta"}}}}},
      {{"flags", {toxic, toxic}}},
      {{"flags", Json(200, toxic)}},
      {{"flags", {toxic}}, {"submission", mine}},
      {{"flags", {toxic}}, {"outcome", 1}},
      {{"submission", 7}},
      {{"submission", ""}},
      {{"submission", "la primera"}},
      {{"submission", {mine}}},
      {{"submission", mine}, {"tiers", {{"a"}, {"b"}}}},
      {{"submission", mine}, {"rewrite", "otra"}},
      {{"submission", mine}, {"note", std::string(4001, 'x')}},
  };
  for (const Json& body : bodies_400) {
    EXPECT_EQ(decide(text, body).status, 400) << body.dump();
    EXPECT_EQ(decide(flags, body).status, 400) << body.dump();
  }
  EXPECT_EQ(decide(flags, {{"submission", mine}}).status, 422) << "flags are no rewrites";
  EXPECT_EQ(decide(flags, {{"outcome", 1}}).status, 422);
  EXPECT_EQ(decide(flags, {{"flags", {{{"side", "c"}, {"kind", "toxic"}}}}}).status, 422) << "there are two answers";
  EXPECT_EQ(decide(text, {{"flags", {toxic}}}).status, 422);
  EXPECT_EQ(decide(text, {{"outcome", "both_bad"}}).status, 422);
  EXPECT_EQ(decide(text, {{"submission", other["submissions"][0]["id"]}}).status, 404) << "another item's";
  EXPECT_EQ(decide(text, {{"submission", new_uuid()}}).status, 404);
  EXPECT_EQ(post(member(storage::Role::reviewer, {"review"}, database_->transaction([](storage::Transaction& t) {
                   return storage::ensure_workspace(t, "otra").id;
                 })),
                 cat("/api/items/", text["id"].get<std::string>(), "/adjudicate"), {{"submission", mine}})
                .status,
            404);
  EXPECT_EQ(count("count(*) FROM adjudication"), 0);
  EXPECT_EQ(open_disputes(), 3);
  EXPECT_EQ(decide(text, {{"submission", mine}}).status, 201) << "the control";
  EXPECT_EQ(open_disputes(), 2);
}

}  // namespace
}  // namespace afina::collector
