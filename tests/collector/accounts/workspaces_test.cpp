// SPDX-License-Identifier: Apache-2.0
// Organisations beside each other: what is one's is not found by the other, though the program is the same.
#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class WorkspacesTest : public MembersWorld {
 protected:
  void SetUp() override {
    start_as_web();
    north_ = workspace("Universidad del Norte");
    south_ = workspace("Universidad del Sur");
  }
  std::string north_, south_;
};

TEST_F(WorkspacesTest, AdminsSeeAndChangeTheirOwnOnly) {
  const Credentials north = member(storage::Role::admin, north_), south = member(storage::Role::admin, south_);
  const Credentials ana = member(storage::Role::annotator, north_);
  EXPECT_EQ(get(north, "/api/accounts").json["accounts"].size(), 2u);
  EXPECT_EQ(get(south, "/api/accounts").json["accounts"].size(), 1u);
  EXPECT_EQ(post(south, cat("/api/accounts/", ana.account_id), {{"role", "admin"}}).status, 404);
  EXPECT_EQ(post(south, cat("/api/accounts/", ana.account_id), {{"status", "disabled"}}).status, 404);
  EXPECT_EQ(get(ana, "/api/me").json["role"], "annotator");
  const Reply invited = post(north, "/api/invitations", {{"role", "annotator"}});
  EXPECT_TRUE(get(south, "/api/invitations").json["invitations"].empty());
  EXPECT_EQ(post(south, cat("/api/invitations/", invited.json["id"].get<std::string>(), "/revoke")).status, 404);
  const Reply token = post(north, "/api/tokens", {{"name", "k"}, {"scopes", {"read"}}, {"days", 1}});
  EXPECT_TRUE(get(south, "/api/tokens").json["tokens"].empty());
  EXPECT_EQ(post(south, cat("/api/tokens/", token.json["id"].get<std::string>(), "/revoke")).status, 404);
  for (const auto& event : get(south, "/api/audit").json["events"])
    EXPECT_EQ(event["action"], "denied") << event;
  EXPECT_EQ(get(north, "/api/audit").json["events"].size(), 2u);
}

TEST_F(WorkspacesTest, WhoJoinsIsInTheWorkspaceOfTheInvitation) {
  const Reply reply = join(invite(member(storage::Role::admin, north_)), "ana");
  ASSERT_EQ(reply.status, 201) << reply.json;
  EXPECT_EQ(reply.json["workspace"]["id"], north_);
  const Credentials ana = signed_in(reply);
  const std::string id = post(ana, "/api/conversations").json["id"];
  const auto place = as_owner([&](storage::Transaction& t) {
    return t
        .exec(
            "SELECT c.workspace_id || ' ' || v.workspace_id AS w FROM conversation c JOIN visitor v ON v.id = "
            "c.visitor_id WHERE c.id = $1::uuid",
            storage::Params().text(id))
        .one()
        .text("w");
  });
  EXPECT_EQ(place, cat(north_, " ", north_));
}

TEST_F(WorkspacesTest, SomebodyInTwoPlacesEntersOneAtATime) {
  const Credentials ana = signed_in(join(invite(member(storage::Role::admin, north_)), "ana"));
  as_owner([&](storage::Transaction& t) { storage::add_member(t, south_, ana.account_id, storage::Role::reviewer); });
  const auto enter = [&](const std::string& place) {
    return somebody().post("/api/login", {{"name", "ana"}, {"password", kPassphrase}, {"workspace", place}});
  };
  EXPECT_EQ(enter("").json["workspace"]["id"], north_) << "the first they joined";
  const Reply south = enter("Universidad del Sur");
  EXPECT_EQ(south.json["role"], "reviewer");
  EXPECT_EQ(enter(south_).json["workspace"]["id"], south_);
  EXPECT_EQ(enter("public").code(), "login_failed");
  EXPECT_EQ(enter("nada").code(), "login_failed");
  // The same person's conversations of the other place stay there.
  ASSERT_EQ(post(ana, "/api/conversations").status, 201);
  const Credentials there = signed_in(south);
  EXPECT_EQ(get(ana, "/api/conversations").json["conversations"].size(), 1u);
  EXPECT_TRUE(get(there, "/api/conversations").json["conversations"].empty());
}

TEST_F(WorkspacesTest, APublicVisitorChatsVotesAndWithdrawsUnderTheWebRole) {
  Caller ana = visitor();
  const Reply asked = ana.ask();
  ASSERT_EQ(asked.status, 200) << asked.json;
  const Json turn = asked.event("done");
  ASSERT_TRUE(turn.contains("exposure")) << turn;
  EXPECT_EQ(ana.post("/api/votes", {{"exposure", turn["exposure"]}, {"outcome", 2}}).status, 201);
  const Reply gone = somebody().post("/api/withdraw", {{"receipt_code", ana.receipt}});
  EXPECT_EQ(gone.json["conversations"], 1) << gone.json;
  EXPECT_EQ(gone.json["votes"], 1);
}

TEST_F(WorkspacesTest, AMemberOfAWorkspaceChatsAndVotesInIt) {
  const Credentials ana = member(storage::Role::annotator, north_);
  const std::string chat = post(ana, "/api/conversations").json["id"];
  const Reply asked =
      post(ana, cat("/api/conversations/", chat, "/messages"), {{"text", "¿Mari mari?"}, {"answers", 2}});
  ASSERT_EQ(asked.status, 200) << asked.json;
  const Json turn = asked.event("done");
  ASSERT_TRUE(turn.contains("exposure")) << turn;
  EXPECT_EQ(post(ana, "/api/votes", {{"exposure", turn["exposure"]}, {"outcome", -1}}).status, 201);
  const Reply gone = post(ana, "/api/withdraw");
  EXPECT_EQ(gone.json["conversations"], 1) << gone.json;
  EXPECT_EQ(gone.json["votes"], 1);
}

TEST_F(WorkspacesTest, WhoseReceiptTakesBackInAnyWorkspace) {
  const Reply joined = join(invite(member(storage::Role::admin, north_)), "ana");
  const Credentials ana = signed_in(joined);
  ASSERT_EQ(post(ana, "/api/conversations").status, 201);
  const Reply gone = somebody().post("/api/withdraw", {{"receipt_code", joined.json["receipt_code"]}});
  EXPECT_EQ(gone.json["conversations"], 1) << gone.json;
  const Json trail = get(member(storage::Role::auditor, north_), "/api/audit").json["events"];
  EXPECT_EQ(trail[0]["action"], "withdraw");
  EXPECT_EQ(trail[0]["actor"], "receipt");
}

}  // namespace
}  // namespace afina::collector
