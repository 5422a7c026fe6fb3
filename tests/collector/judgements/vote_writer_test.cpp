// SPDX-License-Identifier: Apache-2.0
// Votes written together: who shares a batch, what a bad one does to its neighbours, and who hears of what.
#include "collector/judgements/vote_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <set>
#include <thread>

#include "base/error.h"

namespace afina::collector {
namespace {

storage::VoteDraft draft(const std::string& exposure = new_uuid(), const std::string& key = new_uuid()) {
  storage::VoteDraft d;
  d.vote.exposure_id = exposure;
  d.vote.visitor_id = "v";
  d.vote.idempotency_key = key;
  return d;
}

/// Answers each vote with its own key; the first call waits until it is told to go on.
struct FakeStore {
  std::mutex mutex;
  std::vector<size_t> sizes;
  std::vector<std::vector<std::string>> keys;
  std::binary_semaphore entered{0}, go{0};
  bool hold_first = true;
  std::function<void(const std::vector<storage::VoteDraft>&)> fault = [](const auto&) {};

  std::vector<storage::VoteResult> write(const std::vector<storage::VoteDraft>& drafts) {
    bool first = false;
    {
      const std::lock_guard lock(mutex);
      first = sizes.empty() && hold_first;
      sizes.push_back(drafts.size());
      keys.emplace_back();
      for (const auto& d : drafts)
        keys.back().push_back(d.vote.idempotency_key);
    }
    if (first) {
      entered.release();
      go.acquire();
    }
    fault(drafts);
    std::vector<storage::VoteResult> results(drafts.size());
    for (size_t i = 0; i < drafts.size(); ++i)
      results[i].put.stored.idempotency_key = drafts[i].vote.idempotency_key;
    return results;
  }
  VoteWriter::Write function() {
    return [this](const auto& drafts) { return write(drafts); };
  }
};

/// Calls put on a thread and waits until it stands in the queue: then nothing but the pen keeps it.
void wait_until_waiting(const VoteWriter& writer, size_t count) {
  while (writer.waiting() < count)
    std::this_thread::yield();
}

TEST(VoteWriter, WritesTogetherWhatWaitedAtTheSameTimeAndAnswersEachWithItsOwn) {
  FakeStore store;
  VoteWriter writer(store.function(), 256, 1);
  std::vector<std::jthread> people;
  std::atomic<int> right = 0;
  const auto vote = [&] {
    const auto d = draft();
    right += writer.put(d).put.stored.idempotency_key == d.vote.idempotency_key;
  };
  people.emplace_back(vote);
  store.entered.acquire();
  for (int i = 0; i < 10; ++i)
    people.emplace_back(vote);
  wait_until_waiting(writer, 10);
  store.go.release();
  people.clear();
  EXPECT_EQ(right, 11);
  EXPECT_EQ(store.sizes, (std::vector<size_t>{1, 10}));
}

TEST(VoteWriter, KeepsABatchWithinItsLimit) {
  FakeStore store;
  VoteWriter writer(store.function(), 4, 1);
  std::vector<std::jthread> people;
  people.emplace_back([&] { writer.put(draft()); });
  store.entered.acquire();
  for (int i = 0; i < 10; ++i)
    people.emplace_back([&] { writer.put(draft()); });
  wait_until_waiting(writer, 10);
  store.go.release();
  people.clear();
  EXPECT_EQ(store.sizes, (std::vector<size_t>{1, 4, 4, 2}));
}

TEST(VoteWriter, NeverWritesTwoActsOnOneExposureOrWithOneKeyAtATime) {
  FakeStore store;
  VoteWriter writer(store.function(), 256, 2);
  const std::string exposure = new_uuid();
  std::vector<std::jthread> people;
  people.emplace_back([&] { writer.put(draft(exposure, "first")); });
  store.entered.acquire();
  for (int i = 0; i < 3; ++i)
    people.emplace_back([&] { writer.put(draft(exposure, cat("same exposure ", i))); });
  for (int i = 0; i < 3; ++i)
    people.emplace_back([&] { writer.put(draft(new_uuid(), "same key")); });
  // The second pen takes one of the same-key votes at a time while the first is held; the exposure's wait.
  wait_until_waiting(writer, 3);
  store.go.release();
  people.clear();
  size_t written = 0;
  for (const auto& batch : store.keys) {
    written += batch.size();
    int same_exposure = 0, same_key = 0;
    for (const std::string& key : batch) {
      same_exposure += key.starts_with("same exposure") || key == "first";
      same_key += key == "same key";
    }
    EXPECT_LE(same_exposure, 1);
    EXPECT_LE(same_key, 1);
  }
  EXPECT_EQ(written, 7U);
}

TEST(VoteWriter, WritesTheVotesOfOneWorkspaceInABatch) {
  FakeStore store;
  store.fault = [](const auto& drafts) {
    for (const auto& d : drafts)
      EXPECT_EQ(d.workspace_id, drafts.front().workspace_id);
  };
  VoteWriter writer(store.function(), 256, 1);
  std::atomic<int> told = 0;
  const auto vote = [&](const char* workspace) {
    auto d = draft();
    d.workspace_id = workspace;
    writer.put(d, [&](const VoteWriter::Outcome&) { ++told; });
  };
  vote("first");
  store.entered.acquire();
  for (const char* workspace : {"public", "city", "public", "city", "city"})
    vote(workspace);
  store.go.release();
  while (told < 6)
    std::this_thread::yield();
  EXPECT_EQ(store.sizes, (std::vector<size_t>{1, 2, 3}));
}

TEST(VoteWriter, NeedsNoThreadOfWhoeverWaitsAndWritesWhatWaitsBeforeItGoes) {
  FakeStore store;
  std::atomic<int> told = 0;
  {
    VoteWriter writer(store.function(), 256, 1);
    const auto vote = [&] { writer.put(draft(), [&](const VoteWriter::Outcome& o) { told += o.error == nullptr; }); };
    vote();
    store.entered.acquire();
    for (int i = 0; i < 100; ++i)
      vote();  // all by this one thread, while the pen is held
    EXPECT_EQ(writer.waiting(), 100U);
    EXPECT_EQ(told, 0);
    store.go.release();
  }
  EXPECT_EQ(told, 101);
}

TEST(VoteWriter, ABadVoteFailsAloneAndItsNeighboursAreStored) {
  FakeStore store;
  store.fault = [](const auto& drafts) {
    for (const auto& d : drafts) {
      if (d.vote.idempotency_key == "bad") throw DataError("[test] a span must end within its answer, but does not.");
    }
  };
  VoteWriter writer(store.function(), 256, 1);
  std::atomic<int> stored = 0, refused = 0;
  std::vector<std::jthread> people;
  people.emplace_back([&] { writer.put(draft()); });
  store.entered.acquire();
  for (int i = 0; i < 5; ++i) {
    people.emplace_back([&, i] {
      try {
        writer.put(draft(new_uuid(), i == 2 ? "bad" : cat("good ", i)));
        ++stored;
      } catch (const DataError&) {
        ++refused;
      }
    });
  }
  wait_until_waiting(writer, 5);
  store.go.release();
  people.clear();
  EXPECT_EQ(stored, 4);
  EXPECT_EQ(refused, 1);
}

TEST(VoteWriter, ADatabaseThatIsGoneIsToldToEverybodyAtOnceAndTheNextBatchTriesAgain) {
  FakeStore store;
  std::atomic<bool> gone = true;
  store.fault = [&](const auto&) {
    if (gone) throw StorageError("[test] gone", "", true, "57P01");
  };
  VoteWriter writer(store.function(), 256, 1);
  std::atomic<int> told = 0;
  std::vector<std::jthread> people;
  const auto vote = [&] {
    try {
      writer.put(draft());
    } catch (const StorageError&) {
      ++told;
    }
  };
  people.emplace_back(vote);
  store.entered.acquire();
  for (int i = 0; i < 5; ++i)
    people.emplace_back(vote);
  wait_until_waiting(writer, 5);
  store.go.release();
  people.clear();
  EXPECT_EQ(told, 6);
  EXPECT_EQ(store.sizes.size(), 2U) << "nobody was tried one by one";
  gone = false;
  EXPECT_NO_THROW(writer.put(draft()));
}

TEST(VoteWriter, RefusesAVoteOutOfRangeBeforeItJoinsABatch) {
  FakeStore store;
  VoteWriter writer(store.function());
  auto bad = draft();
  bad.vote.grade = 4;
  EXPECT_THROW(writer.put(bad), DataError);
  EXPECT_TRUE(store.sizes.empty());
}

TEST(VoteWriter, EveryVoteOfManyThreadsIsWrittenExactlyOnce) {
  FakeStore store;
  store.hold_first = false;
  VoteWriter writer(store.function(), 16, 2);
  constexpr int kThreads = 16, kEach = 300;
  {
    std::vector<std::jthread> people;
    for (int p = 0; p < kThreads; ++p) {
      people.emplace_back([&, p] {
        for (int i = 0; i < kEach; ++i)
          writer.put(draft(new_uuid(), cat(p, "-", i)));
      });
    }
  }
  std::set<std::string> seen;
  size_t total = 0;
  for (const auto& batch : store.keys) {
    total += batch.size();
    seen.insert(batch.begin(), batch.end());
  }
  EXPECT_EQ(total, size_t{kThreads * kEach});
  EXPECT_EQ(seen.size(), total);
}

}  // namespace
}  // namespace afina::collector
