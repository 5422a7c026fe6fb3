// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/vote_writer.h"

#include <algorithm>

namespace afina::collector {

VoteWriter::VoteWriter(storage::Database& database)
    : VoteWriter([&database](const std::vector<storage::VoteDraft>& drafts) {
        return database.transaction([&](storage::Transaction& t) { return storage::put_votes(t, drafts); },
                                    {.generic_plans = true});
      }) {}

storage::VoteResult VoteWriter::put(storage::VoteDraft draft) {
  storage::check_vote(draft.vote);  // alone, before it has neighbours
  Entry entry;
  entry.draft = std::move(draft);
  std::unique_lock lock(mutex_);
  waiting_.push_back(&entry);
  while (!entry.done) {
    std::vector<Entry*> batch;
    if (writing_ < pens_) batch = take_batch();
    if (batch.empty()) {
      entry.answered.wait(lock);
      continue;
    }
    ++writing_;
    being_written_.insert(being_written_.end(), batch.begin(), batch.end());
    lock.unlock();
    write(batch);
    lock.lock();
    --writing_;
    std::erase_if(being_written_, [&](Entry* e) { return std::find(batch.begin(), batch.end(), e) != batch.end(); });
    for (Entry* written : batch) {
      written->done = true;
      if (written != &entry) written->answered.notify_one();
    }
    // The pen is free: somebody who waits takes it, unless this thread's own vote still does.
    if (entry.done && !waiting_.empty()) waiting_.front()->answered.notify_one();
  }
  lock.unlock();
  if (entry.error) std::rethrow_exception(entry.error);
  return std::move(entry.result);
}

// Two acts on one exposure, or two with one key, follow each other in batches of their own.
bool VoteWriter::clashes(const std::vector<Entry*>& others, const Entry& entry) const {
  const storage::NewPreference& vote = entry.draft.vote;
  return std::any_of(others.begin(), others.end(), [&](const Entry* other) {
    const storage::NewPreference& earlier = other->draft.vote;
    return earlier.exposure_id == vote.exposure_id ||
           (earlier.visitor_id == vote.visitor_id && earlier.idempotency_key == vote.idempotency_key);
  });
}

std::vector<VoteWriter::Entry*> VoteWriter::take_batch() {
  std::vector<Entry*> batch;
  std::deque<Entry*> rest;
  for (Entry* entry : waiting_) {
    const bool fits = batch.size() < max_batch_ && !clashes(batch, *entry) && !clashes(being_written_, *entry);
    if (fits)
      batch.push_back(entry);
    else
      rest.push_back(entry);
  }
  waiting_ = std::move(rest);
  return batch;
}

void VoteWriter::write(const std::vector<Entry*>& batch) {
  const auto write_some = [&](size_t from, size_t count) {
    std::vector<storage::VoteDraft> drafts;
    for (size_t i = from; i < from + count; ++i)
      drafts.push_back(batch[i]->draft);
    std::vector<storage::VoteResult> results = write_(drafts);
    for (size_t i = 0; i < count; ++i)
      batch[from + i]->result = std::move(results[i]);
  };
  try {
    return write_some(0, batch.size());
  } catch (const StorageError&) {
    // Nobody's fault: alone each would meet the same, one after the other.
    for (Entry* entry : batch)
      entry->error = std::current_exception();
    return;
  } catch (...) {
    if (batch.size() == 1) {
      batch[0]->error = std::current_exception();
      return;
    }
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    try {
      write_some(i, 1);
    } catch (...) {
      batch[i]->error = std::current_exception();
    }
  }
}

}  // namespace afina::collector
