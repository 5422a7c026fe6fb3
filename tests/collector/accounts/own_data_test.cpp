// SPDX-License-Identifier: Apache-2.0
// "Download my data": everything of every kind that one person gave, nothing of anybody else, a batch at a time.
#include "collector/own_data.h"

#include "storage/conversations.h"
#include "storage/people.h"
#include "tests/collector/accounts/full_body_world.h"

namespace afina::collector {
namespace {

constexpr const char* kMine = "lo mío: ¿ñandú? 🦙 \"così\" \\ \u2028";
constexpr const char* kOthers = "ajeno";

class OwnDataTest : public FullBodyTest {
 protected:
  Json take(const Credentials& who) {
    const Reply reply = get(who, "/api/export");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.headers.get("Content-Disposition"), "attachment; filename=\"afina.json\"");
    return reply.json;
  }
  /// A row of a list that holds kMine in that field.
  static bool says_it(const Json& rows, const char* field) {
    return std::ranges::any_of(rows, [&](const Json& row) { return row.at(field) == kMine; });
  }
  std::string chat_of(const Credentials& who, const char* text, int answers, std::string* turn_id = nullptr,
                      std::string* shown = nullptr) {
    const std::string id = chat(who);
    const Json done =
        post(who, cat("/api/conversations/", id, "/messages"), {{"text", text}, {"answers", answers}}).event("done");
    if (turn_id != nullptr) *turn_id = done.at("id");
    if (shown != nullptr) *shown = done.at("exposure");
    return id;
  }
  std::string task_of(const Credentials& who) {
    const std::string id = project(cat("p", new_uuid()));
    return post(who, cat("/api/projects/", id, "/next")).json.at("task").at("assignment");
  }
};

TEST_F(OwnDataTest, HasEveryKindThatSomebodyGave) {
  const Credentials eva = member(storage::Role::reviewer, place_), other = member(storage::Role::annotator, place_);
  // Another's pair, and one's own.
  chat_of(other, kOthers, 2);
  const Json pair = post(eva, "/api/pairs/next").json.at("pair");
  const Json said = with(kDetails, {{"outcome", 1}, {"reason", kMine}});
  ASSERT_EQ(post(eva, "/api/votes", with(said, {{"exposure", pair.at("exposure")}})).status, 201);
  std::string turn_id, shown;
  const std::string own = chat_of(eva, kMine, 2, nullptr, &shown);
  ASSERT_EQ(post(eva, "/api/votes", with(said, {{"exposure", shown}, {"outcome", -2}, {"rewrite", kMine}})).status,
            201);
  const std::string single = chat_of(eva, kMine, 1, &turn_id);
  ASSERT_LT(post(eva, cat("/api/answers/", single, "/", turn_id, "/notes"),
                 with(on_one_side(kDetails, "only"), {{"reason", kMine}, {"rewrite", kMine}}))
                .status,
            300);
  ASSERT_EQ(post(eva, "/api/profile", {{"country", "CL"}, {"dialect", "del campo ñ"}}).status, 200);
  ASSERT_EQ(post(eva, cat("/api/assignments/", task_of(eva), "/submit"), with(said, {{"ms_to_decide", 9000}})).status,
            201);
  ASSERT_EQ(
      post(eva, cat("/api/assignments/", task_of(eva), "/draft"), {{"rev", 0}, {"body", {{"reason", kMine}}}}).status,
      200);
  ASSERT_EQ(post(eva, cat("/api/assignments/", task_of(eva), "/skip"), {{"reason", kMine}}).status, 200);
  const std::string item = get(admin_, cat("/api/projects/", project("veredicto"), "/items")).json.at("items")[0]["id"];
  ASSERT_EQ(post(eva, cat("/api/items/", item, "/adjudicate"), {{"outcome", 1}, {"note", kMine}}).status, 201);

  const Json all = take(eva);
  EXPECT_EQ(all["visitor"], eva.visitor_id);
  EXPECT_EQ(all["account"]["id"], eva.account_id);
  EXPECT_EQ(all["profile"]["dialect"], "del campo ñ");
  EXPECT_EQ(all["consents"][0]["purposes"], (Json{"collect", "train", "review"}));
  EXPECT_EQ(all["conversations"].size(), 2u);
  EXPECT_TRUE(says_it(all["messages"], "text"));
  EXPECT_EQ(all["answers"].size(), 3u);
  // What is answered to a known item is a submission and no vote.
  const bool known = all["submissions"].at(0).at("vote").is_null();
  ASSERT_EQ(all["votes"].size(), known ? 2u : 3u) << "another's pair, one's own, a task";
  EXPECT_TRUE(says_it(all["votes"], "reason"));
  EXPECT_EQ(all["votes"][0]["outcome"], 1) << "about left and right, as it was given";
  EXPECT_EQ(all["votes"][1]["outcome"], -2);
  EXPECT_EQ(all["votes"][0]["reason_language"], "es-CL");
  EXPECT_EQ(all["votes"][0]["aspects"][0]["answer"], all["votes"][0]["left"]) << "side a";
  EXPECT_EQ(all["votes"][0]["flags"][0]["note"], "brusco");
  EXPECT_EQ(all["votes"][0]["flags"][0]["answer"], all["votes"][0]["right"]) << "side b";
  EXPECT_EQ(all["votes"][0]["spans"][0]["note"], "claro");
  EXPECT_TRUE(says_it(all["rewrites"], "text"));
  EXPECT_TRUE(says_it(all["notes"], "reason"));
  EXPECT_TRUE(says_it(all["notes"], "rewrite"));
  EXPECT_EQ(all["notes"][0]["flags"][0]["kind"], "toxic");
  EXPECT_TRUE(says_it(all["submissions"], "reason"));
  EXPECT_EQ(all["drafts"][0]["body"]["reason"], kMine);
  EXPECT_TRUE(says_it(all["skips"], "reason"));
  EXPECT_TRUE(says_it(all["verdicts"], "note"));

  EXPECT_EQ(all.dump().find(kOthers), std::string::npos) << "the other's question";
  EXPECT_EQ(all.dump().find("modelo-"), std::string::npos) << "blind pairs stay blind";
  ASSERT_EQ(post(eva, cat("/api/pairs/", shown, "/reveal")).status, 200);
  EXPECT_NE(take(eva)["answers"].dump().find("modelo-good"), std::string::npos) << "and are named once revealed";
  const Json theirs = take(other);
  EXPECT_NE(theirs.dump().find(kOthers), std::string::npos) << "the control";
  EXPECT_EQ(theirs.dump().find("lo mío"), std::string::npos);
  for (const char* kind : {"votes", "notes", "rewrites", "submissions", "drafts", "skips", "verdicts"})
    EXPECT_EQ(theirs[kind], Json::array()) << kind;
  EXPECT_TRUE(theirs["profile"].is_null());
}

TEST_F(OwnDataTest, AnAnonymousVisitorTakesTheirsToo) {
  const Credentials who = visitor_credentials();
  chat_of(who, kMine, 1);
  const Json all = take(who);
  EXPECT_TRUE(says_it(all["messages"], "text"));
  EXPECT_TRUE(all["account"].is_null());
  EXPECT_TRUE(all["profile"].is_null());
}

TEST_F(OwnDataTest, IsWrittenInBatchesAndHoldsNoConnectionMeanwhile) {
  const Credentials eva = member(storage::Role::annotator, place_);
  constexpr int kMessages = 3 * static_cast<int>(kOwnDataRows) + 1;
  const std::string id = chat(eva), text(2'000, 'x');
  as_owner([&](storage::Transaction& t) {
    for (int i = 0; i < kMessages; ++i) {
      storage::Message message;
      message.conversation_id = id;
      message.turn = i;
      message.role = "user";
      message.content = text;
      storage::append_message(t, message, eva.visitor_id);
    }
    return 0;
  });
  storage::DatabaseOptions options;
  options.role = storage::kWebRole;
  options.max_connections = 1;
  options.announce = false;
  const auto narrow = storage::Database::open(quick_->target(), options);
  const storage::Visitor visitor =
      as_owner([&](storage::Transaction& t) { return storage::get_visitor(t, eva.visitor_id); });
  std::string all;
  size_t longest = 0;
  write_own_data(*narrow, visitor, [&](std::string_view bytes) {
    longest = std::max(longest, bytes.size());
    all += bytes;
    narrow->read([](storage::Transaction& t) { return t.exec("SELECT 1").size(); });  // its only connection is free
    return true;
  });
  EXPECT_EQ(Json::parse(all)["messages"].size(), size_t{kMessages});
  EXPECT_LT(longest, (kOwnDataRows + 10) * (text.size() + 300));
  EXPECT_GT(all.size(), 2 * longest) << "the control: it is more than one batch";

  int batches = 0;
  write_own_data(*narrow, visitor, [&](std::string_view) { return ++batches < 3; });
  EXPECT_EQ(batches, 3) << "a client that left is not written to";
}

}  // namespace
}  // namespace afina::collector
