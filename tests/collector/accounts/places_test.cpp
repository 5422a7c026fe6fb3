// SPDX-License-Identifier: Apache-2.0
// A place for one project: seen and worked in, and nothing beside it; a second invitation for somebody who has an
// account.
#include <algorithm>
#include <thread>

#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class PlacesTest : public MembersWorld {
 protected:
  void SetUp() override {
    start_as_web();
    north_ = workspace("Universidad del Norte");
    south_ = workspace("Universidad del Sur");
    admin_ = member(storage::Role::admin, north_);
  }
  std::string project(const Credentials& engineer, const std::string& name) {
    const Reply made = post(engineer, "/api/projects",
                            {{"name", name}, {"kind", "pairwise"}, {"guidelines", "Elige."}, {"overlap", 2}});
    EXPECT_EQ(made.status, 201) << made.json;
    const std::string id = made.json.value("id", "");
    const Json items{{{"prompt", {{{"role", "user"}, {"content", cat("¿", name, "?")}}}},
                      {"answers", {{{"text", "uno"}}, {{"text", "dos"}}}}}};
    EXPECT_EQ(post(engineer, cat("/api/projects/", id, "/items"), {{"items", items}}).json["added"], 1);
    return id;
  }
  Credentials joined(const std::string& name, const Json& wish) {
    const Reply reply = join(invite(admin_, wish), name);
    EXPECT_EQ(reply.status, 201) << reply.json;
    return signed_in(reply);
  }
  Reply accept(const Credentials& who, const std::string& token) const {
    return post(who, "/api/join", {{"token", token}});
  }
  std::string item_of(const std::string& project_id) {
    return as_owner([&](storage::Transaction& t) {
      return t.exec("SELECT id FROM item WHERE project_id = $1::uuid", storage::Params().text(project_id))
          .one()
          .text("id");
    });
  }
  int64_t uses(const std::string& workspace_id) {
    return as_owner([&](storage::Transaction& t) {
      return t
          .exec("SELECT coalesce(sum(uses), 0)::bigint AS n FROM invite WHERE workspace_id = $1::uuid",
                storage::Params().text(workspace_id))
          .one()
          .integer("n");
    });
  }
  std::string north_, south_;
  Credentials admin_;
};

TEST_F(PlacesTest, WhoWasInvitedToAProjectSeesAndWorksInThatOneOnly) {
  const std::string mine = project(admin_, "corral"), other = project(admin_, "huerto");
  const Credentials ana = joined("ana", {{"role", "annotator"}, {"project", mine}});
  EXPECT_EQ(get(ana, "/api/me").json["project"], mine);
  const Json list = get(ana, "/api/projects").json["projects"];
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["id"], mine);
  EXPECT_EQ(get(ana, cat("/api/projects/", mine)).status, 200);
  EXPECT_EQ(get(ana, cat("/api/projects/", other)).status, 404);
  EXPECT_EQ(post(ana, cat("/api/projects/", other, "/next")).status, 404);
  EXPECT_TRUE(post(ana, cat("/api/projects/", mine, "/next")).json["task"].is_object());
}

TEST_F(PlacesTest, AReviewerOfOneProjectFindsNothingOfAnother) {
  const std::string mine = project(admin_, "corral"), other = project(admin_, "huerto");
  const Credentials rita = joined("rita", {{"role", "reviewer"}, {"project", mine}});
  const Credentials wide = joined("wanda", {{"role", "reviewer"}});
  for (const char* part : {"", "/items", "/disagreements", "/agreement", "/annotators"}) {
    // Somebody who may has the report made, so that it lies in the cache.
    EXPECT_EQ(get(wide, cat("/api/projects/", other, part)).status, 200) << part;
    EXPECT_EQ(get(rita, cat("/api/projects/", mine, part)).status, 200) << part;
    EXPECT_EQ(get(rita, cat("/api/projects/", other, part)).status, 404) << part;
  }
  const Json verdict{{"outcome", 1}};
  EXPECT_EQ(post(rita, cat("/api/items/", item_of(other), "/adjudicate"), verdict).status, 404);
  EXPECT_EQ(post(rita, cat("/api/items/", item_of(mine), "/adjudicate"), verdict).status, 201);
}

TEST_F(PlacesTest, WhatOneHeldBeforeThePlaceWasMadeSmallerIsOutOfReach) {
  const std::string mine = project(admin_, "corral"), other = project(admin_, "huerto");
  const Credentials ana = member(storage::Role::annotator, north_);
  const Json task = post(ana, cat("/api/projects/", other, "/next")).json["task"];
  const std::string path = cat("/api/assignments/", task["assignment"].get<std::string>());
  const auto hold = [&](const Json& project_id) {
    return post(admin_, cat("/api/accounts/", ana.account_id), {{"project", project_id}});
  };
  EXPECT_EQ(hold(mine).json["project"], mine);
  EXPECT_EQ(get(ana, "/api/me").json["who"], "anyone") << "the sessions of the wider place end";
  const Credentials again = token_of(ana, {"tasks"}, north_);
  for (const char* act : {"/heartbeat", "/draft", "/skip", "/submit"}) {
    Json body = Json::object();
    if (std::string(act) == "/draft") body = {{"rev", 0}, {"body", Json::object()}};
    if (std::string(act) == "/skip") body = {{"reason", "no"}};
    if (std::string(act) == "/submit") body = {{"outcome", 1}};
    EXPECT_EQ(post(again, path + act, body).status, 404) << act;
  }
  EXPECT_TRUE(get(again, "/api/me/dashboard").json["projects"].empty());
  EXPECT_TRUE(hold("").json["project"].is_null());
  EXPECT_EQ(post(again, path + "/heartbeat").status, 200);
}

TEST_F(PlacesTest, RowsOfOtherProjectsAreNotThereForTheDatabaseEither) {
  const std::string mine = project(admin_, "corral");
  project(admin_, "huerto");
  const auto seen = [&](const std::string& only) {
    const storage::WorkspaceScope scope(north_, only);
    return database_->read(
        [](storage::Transaction& t) { return t.exec("SELECT count(*) AS n FROM project").one().integer("n"); });
  };
  EXPECT_EQ(seen(""), 2);
  EXPECT_EQ(seen(mine), 1);
  EXPECT_EQ(seen(new_uuid()), 0);
  EXPECT_THROW(seen("x' OR true --"), InternalError);
}

TEST_F(PlacesTest, InvitationsNameAProjectOfTheirOwnWorkspaceAndRolesThatHaveOne) {
  const std::string mine = project(admin_, "corral");
  const Credentials south = member(storage::Role::admin, south_);
  EXPECT_EQ(post(south, "/api/invitations", {{"role", "annotator"}, {"project", mine}}).status, 404);
  EXPECT_EQ(post(admin_, "/api/invitations", {{"role", "annotator"}, {"project", new_uuid()}}).status, 404);
  for (const char* role : {"engineer", "admin", "auditor"}) {
    EXPECT_EQ(post(admin_, "/api/invitations", {{"role", role}, {"project", mine}}).code(), "bad_request") << role;
  }
  const Credentials ana = joined("ana", {{"role", "annotator"}, {"project", mine}});
  const std::string path = cat("/api/accounts/", ana.account_id);
  EXPECT_EQ(post(admin_, path, {{"role", "engineer"}}).code(), "bad_request") << "still held to a project";
  EXPECT_EQ(post(admin_, path, {{"role", "engineer"}, {"project", ""}}).json["role"], "engineer");
  EXPECT_EQ(post(admin_, path, {{"project", new_uuid()}}).code(), "bad_request");
  EXPECT_EQ(uses(north_), 1) << "what was refused is no invitation";
}

TEST_F(PlacesTest, SomebodySignedInTakesAPlaceInAnotherWorkspace) {
  const std::string mine = project(admin_, "corral");
  const Credentials ana = joined("ana", {{"role", "annotator"}, {"project", mine}});
  const Credentials south = member(storage::Role::admin, south_);
  const std::string farm = project(south, "chacra");
  const Reply there = accept(ana, invite(south, {{"role", "reviewer"}, {"project", farm}}));
  ASSERT_EQ(there.status, 201) << there.json;
  EXPECT_EQ(there.json["workspace"]["id"], south_);
  EXPECT_EQ(there.json["role"], "reviewer");
  EXPECT_EQ(there.json["project"], farm);
  EXPECT_EQ(there.json["account"]["id"], ana.account_id);
  EXPECT_EQ(get(signed_in(there), cat("/api/projects/", farm)).status, 200);
  EXPECT_EQ(get(signed_in(there), cat("/api/projects/", mine)).status, 404) << "one place at a time";
  const Json trail = get(south, "/api/audit").json["events"];
  EXPECT_TRUE(std::ranges::any_of(trail, [](const Json& event) {
    return event["action"] == "join" && event["actor"] == "account:ana";
  })) << trail;
  const Reply back = somebody().post("/api/login", {{"name", "ana"}, {"password", kPassphrase}, {"workspace", north_}});
  EXPECT_EQ(back.json["role"], "annotator") << "the first place stands";
}

TEST_F(PlacesTest, APlaceGrowsAndNeverShrinks) {
  const std::string mine = project(admin_, "corral"), other = project(admin_, "huerto");
  Credentials ana = joined("ana", {{"role", "annotator"}, {"project", mine}});
  const auto take = [&](const Json& wish) {
    const int64_t before = uses(north_);
    const Reply reply = accept(ana, invite(admin_, wish));
    EXPECT_EQ(uses(north_) - before, reply.status == 201 ? 1 : 0) << wish;
    if (reply.status < 300) ana = signed_in(reply);
    return reply;
  };
  const auto place = [&] {
    const Json me = get(ana, "/api/me").json;
    return Json{me["role"], me["project"]};
  };
  EXPECT_EQ(take({{"role", "annotator"}, {"project", other}}).code(), "already_member");
  EXPECT_EQ(take({{"role", "auditor"}}).code(), "already_member");
  EXPECT_EQ(place(), (Json{"annotator", mine}));
  EXPECT_EQ(take({{"role", "reviewer"}, {"project", mine}}).status, 201);
  EXPECT_EQ(place(), (Json{"reviewer", mine}));
  EXPECT_EQ(take({{"role", "annotator"}, {"project", mine}}).status, 200);
  EXPECT_EQ(take({{"role", "annotator"}}).code(), "already_member") << "wider, and lower";
  EXPECT_EQ(place(), (Json{"reviewer", mine}));
  EXPECT_EQ(take({{"role", "engineer"}}).status, 201);
  EXPECT_EQ(place(), (Json{"engineer", nullptr}));
  EXPECT_EQ(take({{"role", "reviewer"}, {"project", mine}}).status, 200);
  EXPECT_EQ(take({{"role", "annotator"}}).status, 200);
  EXPECT_EQ(place(), (Json{"engineer", nullptr}));
  EXPECT_EQ(take({{"role", "admin"}}).status, 201);
  EXPECT_EQ(take({{"role", "auditor"}}).status, 200) << "an admin reads all that an auditor does";
  EXPECT_EQ(place(), (Json{"admin", nullptr}));
}

TEST_F(PlacesTest, AnInvitationIsTakenByTheSessionItselfAndOnlyWhileItIsOpen) {
  Credentials ana = member(storage::Role::annotator, south_, "ana");
  const std::string open = invite(admin_, {{"role", "annotator"}});
  Credentials forged = ana;
  forged.headers.set("X-CSRF-Token", "");
  EXPECT_EQ(accept(forged, open).code(), "cross_site");
  EXPECT_EQ(accept(token_of(ana, {"tasks"}, south_), open).code(), "forbidden");
  EXPECT_EQ(accept(visitor_credentials(), open).code(), "bad_request") << "who has no account makes one";
  EXPECT_EQ(post(ana, "/api/join", {{"token", open}, {"password", "x"}}).code(), "bad_request");
  EXPECT_EQ(accept(ana, std::string(64, '0')).code(), "invitation_invalid");
  EXPECT_EQ(uses(north_), 0);
  // A door that an admin closed is not opened by a link.
  ASSERT_EQ(accept(ana, open).status, 201);
  post(admin_, cat("/api/accounts/", ana.account_id), {{"status", "disabled"}});
  const Reply back = somebody().post("/api/login", {{"name", "ana"}, {"password", kPassphrase}, {"workspace", south_}});
  EXPECT_EQ(back.status, 401) << "made in the store, without a passphrase";
  as_owner([&](storage::Transaction& t) {
    t.script(cat("UPDATE account_session SET ended_at = NULL, workspace_id = '", south_, "' WHERE account_id = '",
                 ana.account_id, "'"));
  });
  EXPECT_EQ(get(ana, "/api/me").json["workspace"]["id"], south_);
  EXPECT_EQ(accept(ana, invite(admin_, {{"role", "admin"}})).code(), "invitation_invalid");
}

TEST_F(PlacesTest, ALinkThatOneUsedUpLeadsOneselfThereAgainAndNobodyElse) {
  const Credentials ana = member(storage::Role::annotator, south_, "ana");
  const Credentials luz = member(storage::Role::annotator, south_, "luz");
  const std::string link = invite(admin_, {{"role", "annotator"}});
  ASSERT_EQ(accept(ana, link).status, 201);
  // The link is opened again, in another browser of the same person.
  as_owner([&](storage::Transaction& t) {
    t.script(cat("UPDATE account_session SET ended_at = NULL, workspace_id = '", south_, "' WHERE account_id = '",
                 ana.account_id, "'"));
  });
  EXPECT_EQ(accept(ana, link).status, 200);
  EXPECT_EQ(accept(luz, link).code(), "invitation_invalid");
  EXPECT_EQ(uses(north_), 1);
}

TEST_F(PlacesTest, TheSameInvitationTakenTwiceAtOnceIsUsedOnce) {
  const Credentials ana = member(storage::Role::annotator, south_, "ana");
  const std::string open = invite(admin_, {{"role", "annotator"}, {"max_uses", 5}});
  std::vector<int> statuses(4);
  {
    std::vector<std::jthread> acts;
    for (int& status : statuses)
      acts.emplace_back([&] { status = accept(ana, open).status; });
  }
  // The first one's act ends the session that the others came with.
  for (const int status : statuses)
    EXPECT_TRUE(status == 201 || status == 200 || status == 400) << status;
  EXPECT_EQ(uses(north_), 1);
}

}  // namespace
}  // namespace afina::collector
