// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/vote_writer.h"

#include <future>

#include "base/cat.h"

namespace afina::collector {
namespace {

// Two acts on one exposure, or two with one key, follow each other in batches of their own.
std::string exposure_mark(const storage::VoteDraft& draft) {
  return draft.vote.exposure_id;
}
std::string key_mark(const storage::VoteDraft& draft) {
  return cat(draft.vote.visitor_id, "/", draft.vote.idempotency_key);
}

storage::TransactionOptions transaction_of(const std::vector<storage::VoteDraft>& drafts) {
  return {.generic_plans = true, .workspace = drafts.front().workspace_id};
}

}  // namespace

VoteWriter::VoteWriter(storage::Database& database)
    : VoteWriter([&database](const std::vector<storage::VoteDraft>& drafts) {
        return database.transaction([&](storage::Transaction& t) { return storage::put_votes(t, drafts); },
                                    transaction_of(drafts));
      }) {}

VoteWriter::VoteWriter(Write write, size_t max_batch, int pens) : write_(std::move(write)), max_batch_(max_batch) {
  for (int i = 0; i < pens; ++i)
    pens_.emplace_back([this](const std::stop_token& stop) { run(stop); });
}

VoteWriter::~VoteWriter() {
  for (std::jthread& pen : pens_)
    pen.request_stop();
}

void VoteWriter::put(storage::VoteDraft draft, Done done) {
  storage::check_vote(draft.vote);  // alone, before it has neighbours
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(draft), std::move(done)});
    if (!worth_a_pen()) return;
  }
  work_.notify_one();
}

storage::VoteResult VoteWriter::put(storage::VoteDraft draft) {
  std::promise<Outcome> promise;
  put(std::move(draft), [&](Outcome outcome) { promise.set_value(std::move(outcome)); });
  Outcome outcome = promise.get_future().get();
  if (outcome.error) std::rethrow_exception(outcome.error);
  return std::move(outcome.result);
}

// A transaction costs as much as several votes: while one is being written, the next waits until it is worth its own.
// The first waits for nobody.
bool VoteWriter::worth_a_pen() const {
  return waiting_.size() > writing_ * kEnoughForAnotherPen;
}

void VoteWriter::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::vector<Entry> batch;
    work_.wait(lock, stop, [&] {
      if (worth_a_pen() || stop.stop_requested()) batch = take_batch();
      return !batch.empty();
    });
    if (batch.empty()) return;
    ++writing_;
    lock.unlock();
    std::vector<Outcome> outcomes = write(batch);
    lock.lock();
    --writing_;
    for (const Entry& entry : batch) {
      in_hand_.erase(exposure_mark(entry.draft));
      in_hand_.erase(key_mark(entry.draft));
    }
    // Those that were kept apart from this batch may go now, and the other pen may be the one that waits.
    if (!waiting_.empty()) work_.notify_all();
    lock.unlock();
    for (size_t i = 0; i < batch.size(); ++i)
      batch[i].done(std::move(outcomes[i]));
    lock.lock();
  }
}

std::vector<VoteWriter::Entry> VoteWriter::take_batch() {
  std::vector<Entry> batch;
  std::deque<Entry> rest;
  for (Entry& entry : waiting_) {
    const std::string exposure = exposure_mark(entry.draft), key = key_mark(entry.draft);
    // Row-level security looks at one workspace a transaction.
    const bool neighbour = batch.empty() || batch.front().draft.workspace_id == entry.draft.workspace_id;
    if (batch.size() < max_batch_ && neighbour && !in_hand_.contains(exposure) && !in_hand_.contains(key)) {
      in_hand_.insert(exposure);
      in_hand_.insert(key);
      batch.push_back(std::move(entry));
    } else {
      rest.push_back(std::move(entry));
    }
  }
  waiting_ = std::move(rest);
  return batch;
}

std::vector<VoteWriter::Outcome> VoteWriter::write(const std::vector<Entry>& batch) {
  std::vector<Outcome> outcomes(batch.size());
  const auto write_some = [&](size_t from, size_t count) {
    std::vector<storage::VoteDraft> drafts;
    for (size_t i = from; i < from + count; ++i)
      drafts.push_back(batch[i].draft);
    std::vector<storage::VoteResult> results = write_(drafts);
    for (size_t i = 0; i < count; ++i)
      outcomes[from + i].result = std::move(results[i]);
  };
  try {
    write_some(0, batch.size());
    return outcomes;
  } catch (const StorageError&) {
    // Nobody's fault: alone each would meet the same, one after the other.
    for (Outcome& outcome : outcomes)
      outcome.error = std::current_exception();
    return outcomes;
  } catch (...) {
    if (batch.size() == 1) {
      outcomes[0].error = std::current_exception();
      return outcomes;
    }
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    try {
      write_some(i, 1);
    } catch (...) {
      outcomes[i].error = std::current_exception();
    }
  }
  return outcomes;
}

}  // namespace afina::collector
