// SPDX-License-Identifier: Apache-2.0
// How the answers stood, through the API: with a vote and with a task, one's own only, and refused where it is no
// layout.
#include "tests/collector/tasks/task_routes_world.h"

namespace afina::collector {
namespace {

const Json kPhone{{"layout", "stacked"}, {"width_px", 360}, {"height_px", 740}};

class ShownFlow : public TaskRoutesWorld {
 protected:
  void SetUp() override { start({"good", "other"}, {}, random_u32); }
  Json stored(const std::string& table, const std::string& id) {
    return database_->read([&](storage::Transaction& t) {
      return t
          .exec(cat("SELECT json_build_array(shown_layout, shown_width_px, shown_height_px) AS shown FROM ", table,
                    " WHERE id = $1::uuid"),
                storage::Params().text(id))
          .one()
          .json("shown");
    });
  }
  static Json vote(const std::string& exposure, const Json& shown = kPhone) {
    return {{"exposure", exposure}, {"outcome", 1}, {"shown", shown}};
  }
};

TEST_F(ShownFlow, AVoteBringsItAndItsPersonTakesItHome) {
  const Caller ana = visitor();
  Caller asking = ana;
  const std::string exposure = asking.ask().event("done")["exposure"], key = new_uuid();
  const Reply first = ana.post("/api/votes", vote(exposure), key);
  ASSERT_EQ(first.status, 201) << first.json.dump();
  EXPECT_EQ(stored("preference", first.json["id"]), Json({"stacked", 360, 740}));
  EXPECT_EQ(ana.post("/api/votes", vote(exposure), key).status, 200) << "the same again";
  EXPECT_EQ(ana.get("/api/export").json["votes"][0]["shown"], kPhone);
  Json plain = vote(exposure, nullptr);
  plain["supersedes"] = first.json["id"];
  const Reply second = ana.post("/api/votes", plain);
  ASSERT_EQ(second.status, 201) << "it is never required: " << second.json.dump();
  EXPECT_EQ(stored("preference", second.json["id"]), Json({nullptr, nullptr, nullptr}));
  EXPECT_EQ(ana.get("/api/export").json["votes"][1]["shown"], nullptr);
}

TEST_F(ShownFlow, SomebodyElsesExposureIsNotFound) {
  Caller ana = visitor();
  const Caller luis = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"];
  EXPECT_EQ(luis.post("/api/votes", vote(exposure)).status, 404);
  EXPECT_EQ(count("count(*) FROM preference"), 0);
  EXPECT_EQ(ana.post("/api/votes", vote(exposure)).status, 201) << "the control";
}

TEST_F(ShownFlow, WhatIsNoLayoutOrNoSizeIsRefusedAndNothingIsStored) {
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"];
  const auto with = [](const char* name, const Json& value) {
    Json shown = kPhone;
    shown[name] = value;
    return shown;
  };
  const auto without = [](const char* name) {
    Json shown = kPhone;
    shown.erase(name);
    return shown;
  };
  const Json bad[] = {with("layout", "tabs"),
                      with("layout", ""),
                      with("layout", 1),
                      with("layout", nullptr),
                      with("width_px", 0),
                      with("width_px", 20'001),
                      with("width_px", 360.5),
                      with("width_px", "360"),
                      with("height_px", -740),
                      with("height_px", 1LL << 40),
                      with("at", "2026-11-22"),
                      without("layout"),
                      without("width_px"),
                      without("height_px"),
                      Json::object(),
                      Json::array({"stacked", 1, 1}),
                      "stacked",
                      7,
                      true};
  for (const Json& shown : bad) {
    const Reply reply = ana.post("/api/votes", vote(exposure, shown));
    EXPECT_EQ(reply.status, 400) << shown.dump();
    EXPECT_EQ(reply.code(), "bad_request") << shown.dump();
  }
  EXPECT_EQ(count("count(*) FROM preference"), 0);
  EXPECT_EQ(ana.post("/api/votes", vote(exposure, with("width_px", 20'000))).status, 201) << "the control";
}

TEST_F(ShownFlow, ATaskBringsItWithTheSubmission) {
  const Member boss = member(storage::Role::engineer), luis = member(storage::Role::annotator);
  const std::string id = project(boss);
  ASSERT_EQ(add(boss, id, Json::array({item(1)})).status, 201);
  const std::string task = next(luis, id).at("task").at("assignment");
  const std::string path = cat("/api/assignments/", task, "/submit");
  Json said{{"outcome", 2}, {"shown", {{"layout", "tabs"}, {"width_px", 1}, {"height_px", 1}}}};
  EXPECT_EQ(post(luis, path, said).code(), "bad_request");
  EXPECT_EQ(count("count(*) FROM submission"), 0);
  said["shown"] = kPhone;
  const Reply done = post(luis, path, said);
  ASSERT_EQ(done.status, 201) << done.json.dump();
  EXPECT_EQ(stored("submission", done.json["id"]), Json({"stacked", 360, 740}));
  EXPECT_EQ(count("count(*) FROM preference WHERE shown_layout = 'stacked' AND shown_width_px = 360"), 1);
}

}  // namespace
}  // namespace afina::collector
