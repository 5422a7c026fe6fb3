// SPDX-License-Identifier: Apache-2.0
#include "gui/session.h"

#include <algorithm>

namespace afina::gui {

struct Session::Worker {
  uint64_t asked = 1;  // the first pass is owed from the start
  uint64_t answered = 0;
  std::jthread thread;
};

Snapshots empty_snapshots(std::string source) {
  return {std::make_shared<Area<LoopData>>(),           std::make_shared<Area<ConversationPage>>(),
          std::make_shared<Area<ConversationDetail>>(), std::make_shared<Area<std::vector<RunRow>>>(),
          std::make_shared<Area<RunDetail>>(),          std::move(source)};
}

Session::Session(DataSource& source, const Clock& clock, std::function<void()> wake, SessionOptions options)
    : source_(source),
      clock_(clock),
      wake_(std::move(wake)),
      options_(options),
      description_(source.describe()),
      watcher_(std::make_unique<Worker>()),
      browser_(std::make_unique<Worker>()) {
  const Snapshots empty = empty_snapshots();
  loop_ = empty.loop;
  page_ = empty.page;
  conversation_ = empty.conversation;
  runs_ = empty.runs;
  run_ = empty.run;
  watcher_->thread = std::jthread([this](const std::stop_token& stop) { serve(stop, *watcher_, [this] { watch(); }); });
  browser_->thread =
      std::jthread([this](const std::stop_token& stop) { serve(stop, *browser_, [this] { browse(); }); });
}

Session::~Session() {
  watcher_->thread.request_stop();
  browser_->thread.request_stop();
  watcher_->thread.join();
  browser_->thread.join();
}

Snapshots Session::snapshots() const {
  return {loop_.load(), page_.load(), conversation_.load(), runs_.load(), run_.load(), description_};
}

void Session::execute(const Command& command) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto* search = std::get_if<SearchConversations>(&command)) {
      query_ = search->query;
      ++browser_->asked;
    } else if (const auto* conversation = std::get_if<OpenConversation>(&command)) {
      conversation_id_ = conversation->id;
      ++browser_->asked;
    } else if (const auto* run = std::get_if<OpenRun>(&command)) {
      run_id_ = run->id;
      ++watcher_->asked;
    } else if (std::holds_alternative<Refresh>(command)) {
      ++browser_->asked;
      ++watcher_->asked;
    } else {
      return;
    }
  }
  changed_.notify_all();
}

bool Session::wait_settled(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(
      lock, limit, [this] { return watcher_->answered == watcher_->asked && browser_->answered == browser_->asked; });
}

void Session::serve(const std::stop_token& stop, Worker& worker, const std::function<void()>& pass) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const uint64_t asked = worker.asked;
    lock.unlock();
    pass();
    lock.lock();
    worker.answered = asked;
    changed_.notify_all();
    changed_.wait_for(lock, stop, options_.poll_interval, [&] { return worker.asked != worker.answered; });
  }
}

template <typename T, typename Read>
void Session::refresh(Published<T>& area, const std::string& key, const Read& read) {
  const std::shared_ptr<const Area<T>> old = area.load();
  auto fresh = std::make_shared<Area<T>>();
  fresh->key = key;
  try {
    fresh->data = std::make_shared<const T>(read(old->data.get()));
    fresh->read_at = clock_.now();
  } catch (const std::exception& error) {
    fresh->data = old->data;  // what was read last stays on the screen
    fresh->read_at = old->read_at;
    fresh->error = error.what();
  }
  const bool same_data =
      fresh->data == old->data || (fresh->data != nullptr && old->data != nullptr && *fresh->data == *old->data);
  const bool same = same_data && fresh->key == old->key && fresh->error == old->error;
  // Equal content keeps its address, so that what was derived from it (display text, curves) need not be made again.
  if (same_data) fresh->data = old->data;
  area.store(std::move(fresh));
  if (!same) wake_();
}

void Session::watch() {
  refresh(loop_, "", [this](const LoopData*) { return source_.loop(); });
  refresh(runs_, "", [this](const std::vector<RunRow>*) { return source_.runs(); });
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    id = run_id_;
  }
  if (id.empty()) return;
  refresh(run_, id, [&](const RunDetail* previous) {
    return source_.run(id, previous != nullptr && previous->row.id == id ? previous : nullptr);
  });
}

void Session::browse() {
  ConversationQuery query;
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    query = query_;
    id = conversation_id_;
  }
  refresh(page_, "", [&](const ConversationPage*) { return source_.conversations(query); });
  if (id.empty()) return;
  refresh(conversation_, id, [&](const ConversationDetail*) { return source_.conversation(id); });
}

}  // namespace afina::gui
