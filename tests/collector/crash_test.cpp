// SPDX-License-Identifier: Apache-2.0
// PostgreSQL killed under load: every acknowledged vote is a row, every row was sent, none is there twice.
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <map>
#include <mutex>

#include "storage/conversations.h"
#include "storage/preferences.h"
#include "storage/quality/eligible.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

using VoteMap = std::map<std::string, int>;  // key -> outcome

struct Difference {
  int lost = 0, changed = 0, unsent = 0;
};

/// What is wrong with the rows, given what was sent and what was acknowledged.
Difference compare(const VoteMap& sent, const VoteMap& acknowledged, const VoteMap& rows) {
  Difference difference;
  for (const auto& [key, outcome] : acknowledged) {
    const auto row = rows.find(key);
    if (row == rows.end())
      ++difference.lost;
    else if (row->second != outcome)
      ++difference.changed;
  }
  for (const auto& [key, outcome] : rows) {
    if (!sent.contains(key)) ++difference.unsent;
  }
  return difference;
}

TEST(VoteChecker, SeesALostAChangedAndAnUnsentVote) {
  // The control: a checker that cannot fail proves nothing.
  const VoteMap sent{{"a", 1}, {"b", 2}};
  EXPECT_EQ(compare(sent, sent, sent).lost, 0);
  EXPECT_EQ(compare(sent, sent, {{"a", 1}}).lost, 1);
  EXPECT_EQ(compare(sent, sent, {{"a", 1}, {"b", 1}}).changed, 1);
  EXPECT_EQ(compare(sent, sent, {{"a", 1}, {"b", 2}, {"c", 0}}).unsent, 1);
}

class CrashTest : public World {
 protected:
  CrashTest() { durable_ = true; }
};

constexpr int kPeople = 4, kPairsEach = 40, kKills = 3;

/// One person's votes: each is repeated with its key until it is acknowledged.
struct Voter {
  Caller caller;
  std::vector<std::string> exposures;
  VoteMap sent, acknowledged;
  int refused = 0, replayed = 0;
};

/// Pairs that this person was shown, straight in the database: the load is the votes.
std::vector<std::string> show_pairs(storage::Database& database, const std::string& visitor_id, int count) {
  return database.transaction([&](storage::Transaction& t) {
    std::vector<std::string> exposures;
    for (int i = 0; i < count; ++i) {
      storage::Conversation conversation;
      conversation.visitor_id = visitor_id;
      conversation.source = storage::Source::demo;
      storage::create_conversation(t, conversation);
      storage::append_message(t, {.conversation_id = conversation.id, .turn = 0, .role = "user", .content = "hola"},
                              visitor_id);
      std::string ids[2];
      for (int slot : {0, 1}) {
        storage::Generation answer;
        answer.conversation_id = conversation.id;
        answer.turn = 1;
        answer.slot = slot;
        answer.model = answer.text = slot == 0 ? "uno" : "dos";
        ids[slot] = storage::append_generation(t, answer).id;
      }
      storage::Exposure exposure;
      exposure.pair_id = storage::create_pair(t, ids[0], ids[1]).id;
      exposure.visitor_id = visitor_id;
      exposures.push_back(storage::create_exposure(t, exposure).id);
    }
    return exposures;
  });
}

void vote_all(Voter& voter, std::atomic<int>& done) {
  for (size_t i = 0; i < voter.exposures.size(); ++i) {
    const std::string key = new_uuid();
    const int outcome = static_cast<int>(i % 7) - 3;
    voter.sent[key] = outcome;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      const Reply reply =
          voter.caller.post("/api/votes", {{"exposure", voter.exposures[i]}, {"outcome", outcome}}, key);
      if (reply.status == 201 || reply.status == 200) {
        voter.acknowledged[key] = outcome;
        voter.replayed += reply.status == 200;
        break;
      }
      ASSERT_EQ(reply.status, 503) << reply.json.dump();
      ASSERT_EQ(reply.code(), "storage");
      ++voter.refused;
    }
    ++done;
    done.notify_all();
  }
}

TEST_F(CrashTest, AcknowledgedVotesAreTheRowsWhenPostgresIsKilledUnderLoad) {
  start({"good", "other"}, {}, random_u32);
  std::vector<Voter> voters;
  for (int p = 0; p < kPeople; ++p) {
    voters.push_back({visitor(), {}, {}, {}, 0, 0});
    const std::string id = voters.back().caller.get("/api/session").json["visitor"];
    voters.back().exposures = show_pairs(*database_, id, kPairsEach);
  }
  std::atomic<int> done = 0;
  storage::Cluster& cluster = TestPostgres::instance().cluster();
  {
    std::vector<std::jthread> threads;
    for (Voter& voter : voters)
      threads.emplace_back([&] { vote_all(voter, done); });
    for (int kill = 1; kill <= kKills; ++kill) {
      const int wanted = kill * kPeople * kPairsEach / (kKills + 1);
      while (done < wanted)
        done.wait(done.load());
      const pid_t server = cluster.pid();
      ::kill(server, SIGKILL);
      siginfo_t ended{};
      ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(server), &ended, WEXITED | WNOWAIT), 0);
      ASSERT_FALSE(cluster.running());
      cluster.restart();
    }
  }
  VoteMap sent, acknowledged, rows;
  int refused = 0, replayed = 0;
  for (const Voter& voter : voters) {
    sent.insert(voter.sent.begin(), voter.sent.end());
    acknowledged.insert(voter.acknowledged.begin(), voter.acknowledged.end());
    refused += voter.refused;
    replayed += voter.replayed;
  }
  const auto pairs = database_->transaction([](storage::Transaction& t) { return storage::eligible_pairs(t, {}); },
                                            {.isolation = storage::Isolation::repeatable_read, .read_only = true});
  for (const auto& pair : pairs) {
    EXPECT_EQ(pair.votes.size(), 1u) << "one exposure, one vote";
    for (const auto& vote : pair.votes)
      rows[vote.idempotency_key] = vote.grade;
  }
  // Grades are about the answers: only their size is the person's.
  for (auto& [key, grade] : rows)
    grade = std::abs(grade);
  for (VoteMap* votes : {&sent, &acknowledged}) {
    for (auto& [key, grade] : *votes)
      grade = std::abs(grade);
  }
  const Difference difference = compare(sent, acknowledged, rows);
  EXPECT_EQ(acknowledged.size(), size_t{kPeople * kPairsEach}) << "every vote got through in the end";
  EXPECT_EQ(difference.lost, 0);
  EXPECT_EQ(difference.changed, 0);
  EXPECT_EQ(difference.unsent, 0);
  RecordProperty("refused", refused);
  RecordProperty("replayed", replayed);
  std::printf("acknowledged %zu, rows %zu, refused %d, replayed %d\n", acknowledged.size(), rows.size(), refused,
              replayed);
}

}  // namespace
}  // namespace afina::collector
