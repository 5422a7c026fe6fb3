// SPDX-License-Identifier: Apache-2.0
// What is said of a comparison while its hidden half is still being written counts as the vote that it is, whichever of
// the two models is the slower one.
#include <gtest/gtest.h>

#include "tests/collector/proxy/token_client.h"
#include "tests/http/raw_socket.h"

namespace afina::collector {
namespace {

using namespace std::chrono_literals;
constexpr const char* kWindow = "/v1/feedback";

struct WaitingFeedback : TokenWorld {
  /// Zeros: the first model is A, and A is shown.
  void start_with(const std::vector<std::string>& models, int wait_seconds = 10) {
    CollectorConfig config;
    config.feedback_wait_seconds = wait_seconds;
    start(models, config, [] { return 0U; });
  }
  std::string arena(const Program& program) {
    const Reply reply = program.post("/v1/chat/completions",
                                     {{"model", "arena"}, {"messages", {{{"role", "user"}, {"content", "¿Pan?"}}}}});
    EXPECT_EQ(reply.status, 200) << reply.json.dump();
    return reply.json.value("id", "");
  }
  test::RawSocket say(const Program& program, const std::string& id, Json what) const {
    what["completion_id"] = id;
    const std::string body = what.dump();
    test::RawSocket socket(collector_->port());
    socket.say(cat("POST ", kWindow, " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ", program.token(),
                   "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    return socket;
  }
};

TEST_F(WaitingFeedback, OnTheFasterModelWaitsForTheSlowerOneAndIsAVote) {
  for (const auto& [said, stored] : {std::pair{Json{{"thumbs", "up"}}, "outcome = 'graded' AND grade = 1"},
                                     std::pair{Json{{"outcome", "both_bad"}}, "outcome = 'both_bad'"}}) {
    fake_.close();
    start_with({"good", "held"});
    const Program program = proxy_program();
    test::RawSocket line = say(program, arena(program), said);
    EXPECT_EQ(line.hear("}", 300ms), "") << "the other half is still being written";
    EXPECT_EQ(count("answer_note") + count("preference"), 0);
    fake_.open();
    const std::string answer = line.hear("\"preference\"", 20s);
    EXPECT_EQ(test::status_of(answer), 200) << answer;
    EXPECT_EQ(count(cat("preference WHERE ", stored)), 1) << answer;
    EXPECT_EQ(count("answer_note"), 0);
  }
}

TEST_F(WaitingFeedback, OnTheSlowerModelIsAVoteToo) {
  start_with({"held", "good"});
  const Program program = proxy_program();
  std::jthread opener([&] {
    fake_.wait_for_held(1);
    fake_.open();
  });
  const Reply reply = program.post(kWindow, {{"completion_id", arena(program)}, {"thumbs", "down"}});
  EXPECT_EQ(reply.json["kind"], "preference") << reply.json.dump();
  EXPECT_EQ(count("preference WHERE grade = -1"), 1);
}

TEST_F(WaitingFeedback, IsAskedToComeAgainWhereThePairTakesLongerThanItMayWait) {
  start_with({"good", "held"}, 0);
  const Program program = proxy_program();
  const Json said{{"completion_id", arena(program)}, {"score", 2}};
  const Reply early = program.post(kWindow, said);
  EXPECT_EQ(early.status, 409);
  EXPECT_EQ(early.json["error"]["code"], "busy");
  EXPECT_EQ(early.headers.get("Retry-After"), "5");
  EXPECT_EQ(count("answer_note") + count("preference"), 0);
  fake_.open();
  ASSERT_TRUE(wait_for("exposure", 1));
  EXPECT_EQ(program.post(kWindow, said).json["kind"], "preference");
}

TEST_F(WaitingFeedback, IsANoteWhereTheOtherHalfFailsForGood) {
  start_with({"good", "mute"});
  const Program program = proxy_program();
  const Reply reply = program.post(kWindow, {{"completion_id", arena(program)}, {"thumbs", "up"}});
  EXPECT_EQ(reply.status, 200) << reply.json.dump();
  EXPECT_EQ(reply.json["kind"], "answer_note");
  EXPECT_EQ(count("generation WHERE error = 'upstream_slow'"), 1) << "it waited until that was known";
  EXPECT_EQ(program.post(kWindow, {{"completion_id", arena(program)}, {"outcome", "both_bad"}}).status, 400);
}

TEST_F(WaitingFeedback, HoldsNoWorkerAndIsOneVoteHoweverOftenItIsSaid) {
  start_with({"good", "held"});
  const Program program = proxy_program(), other = proxy_program();
  const std::string id = arena(program);
  std::vector<test::RawSocket> lines;
  for (int i = 0; i < 120; ++i)  // more than there are threads
    lines.push_back(say(program, id, {{"thumbs", "up"}}));
  EXPECT_EQ(lines.back().hear("}", 300ms), "") << "control: it waits";
  EXPECT_EQ(program.get("/v1/models").status, 200);
  EXPECT_EQ(other.post(kWindow, {{"completion_id", id}, {"thumbs", "up"}}).status, 404) << "who may not, hears it now";
  fake_.open();
  for (test::RawSocket& line : lines)
    EXPECT_EQ(test::status_of(line.hear("\"preference\"", 20s)), 200);
  EXPECT_EQ(count("preference"), 1);
}

}  // namespace
}  // namespace afina::collector
