// SPDX-License-Identifier: Apache-2.0
#include "serve/scheduler.h"

#include <algorithm>

#include "base/log.h"
#include "http/message.h"

namespace afina::serve {

struct Completion::Shared {
  explicit Shared(size_t jobs) : open(jobs, true), unfinished(static_cast<int>(jobs)) {}

  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Token> tokens;
  std::vector<bool> open;  ///< by job: neither finished nor cancelled
  int unfinished;
  std::exception_ptr error;

  bool is_open(int index) {
    std::lock_guard lock(mutex);
    return open[index];
  }
  void close_locked(int index) {
    if (!open[index]) return;
    open[index] = false;
    --unfinished;
    changed.notify_all();
  }
  void deliver(Token token) {
    std::lock_guard lock(mutex);
    if (!open[token.index]) return;
    if (token.finish != model::FinishReason::none) close_locked(token.index);
    tokens.push_back(std::move(token));
    changed.notify_all();
  }
  void fail(int index, const std::exception_ptr& what) {
    std::lock_guard lock(mutex);
    if (open[index] && !error) error = what;
    close_locked(index);
  }
};

Completion::~Completion() {
  std::lock_guard lock(shared_->mutex);
  for (size_t i = 0; i < shared_->open.size(); ++i)
    shared_->close_locked(static_cast<int>(i));
}

void Completion::cancel(int index) {
  std::lock_guard lock(shared_->mutex);
  shared_->close_locked(index);
  std::erase_if(shared_->tokens, [&](const Token& token) { return token.index == index; });
}

std::optional<Token> Completion::next(std::stop_token stop) {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, stop,
                        [&] { return !shared_->tokens.empty() || shared_->error || shared_->unfinished == 0; });
  if (stop.stop_requested()) throw Cancelled("[serve] was not waited for any longer.");
  if (!shared_->tokens.empty()) {
    std::optional<Token> token(std::move(shared_->tokens.front()));
    shared_->tokens.pop_front();
    return token;
  }
  if (shared_->error) std::rethrow_exception(shared_->error);
  return std::nullopt;
}

Scheduler::Scheduler(std::unique_ptr<SequenceDecoder> decoder, SchedulerOptions options)
    : options_(options), decoder_(std::move(decoder)), thread_([this](std::stop_token stop) { run(stop); }) {}

Scheduler::~Scheduler() {
  thread_.request_stop();
  thread_.join();
}

std::unique_ptr<Completion> Scheduler::submit(std::vector<Job> jobs) {
  auto shared = std::make_shared<Completion::Shared>(jobs.size());
  {
    std::lock_guard lock(mutex_);
    const auto full = [&] {
      return !waiting_.empty() && waiting_.size() + jobs.size() > static_cast<size_t>(options_.max_waiting);
    };
    if (full()) forget_cancelled_locked();
    if (full()) {
      throw http::HttpError(
          ErrorKind::conflict, 503,
          cat("[serve] must have fewer than ", options_.max_waiting, " waiting requests, but has as many."),
          "overloaded", 1);
    }
    for (size_t i = 0; i < jobs.size(); ++i)
      waiting_.push_back({shared, static_cast<int>(i), std::move(jobs[i])});
  }
  wake_.notify_all();
  return std::unique_ptr<Completion>(new Completion(std::move(shared)));
}

Scheduler::Load Scheduler::load() const {
  std::lock_guard lock(mutex_);
  return {decoding_, static_cast<int>(waiting_.size())};
}

void Scheduler::run(const std::stop_token& stop) {
  while (wait_for_work(stop)) {
    try {
      drop_cancelled();
      for (Waiting& waiting : take_admissible())
        join(std::move(waiting));
      if (!active_.empty()) advance();
    } catch (const std::exception& error) {
      // A step that failed leaves the caches in doubt: nobody's sequence goes on.
      log_error("serve", "a decoding step failed: ", error.what());
      fail_all(std::current_exception());
    }
    std::lock_guard lock(mutex_);
    decoding_ = static_cast<int>(active_.size());
  }
  const auto ended = std::make_exception_ptr(Cancelled("[serve] is shutting down."));
  fail_all(ended);
  std::lock_guard lock(mutex_);
  for (Waiting& waiting : waiting_)
    waiting.request->fail(waiting.index, ended);
  waiting_.clear();
}

bool Scheduler::wait_for_work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (active_.empty()) wake_.wait(lock, stop, [&] { return !waiting_.empty(); });
  return !stop.stop_requested();
}

void Scheduler::forget_cancelled_locked() {
  std::erase_if(waiting_, [](const Waiting& w) { return !w.request->is_open(w.index); });
}

std::vector<Scheduler::Waiting> Scheduler::take_admissible() {
  std::map<const Completion::Shared*, int> slots;
  for (const auto& [id, active] : active_)
    ++slots[active.request.get()];
  const auto holds = [&](const Waiting& waiting) {
    const auto found = slots.find(waiting.request.get());
    return found == slots.end() ? 0 : found->second;
  };
  std::lock_guard lock(mutex_);
  forget_cancelled_locked();
  std::vector<Waiting> admitted;
  while (!waiting_.empty() && active_.size() + admitted.size() < static_cast<size_t>(options_.max_slots)) {
    const auto next = std::min_element(waiting_.begin(), waiting_.end(),
                                       [&](const Waiting& a, const Waiting& b) { return holds(a) < holds(b); });
    ++slots[next->request.get()];
    admitted.push_back(std::move(*next));
    waiting_.erase(next);
  }
  return admitted;
}

void Scheduler::join(Waiting waiting) {
  try {
    const model::SequenceId id =
        decoder_->add(std::move(waiting.job.prompt_ids), waiting.job.params, std::move(waiting.job.adapter));
    active_.emplace(id, Active{std::move(waiting.request), waiting.index});
  } catch (const std::exception&) {
    waiting.request->fail(waiting.index, std::current_exception());
  }
}

void Scheduler::drop_cancelled() {
  for (auto it = active_.begin(); it != active_.end();) {
    if (it->second.request->is_open(it->second.index)) {
      ++it;
    } else {
      decoder_->remove(it->first);
      it = active_.erase(it);
    }
  }
}

void Scheduler::advance() {
  for (model::TokenEvent& event : decoder_->step()) {
    const auto found = active_.find(event.sequence);
    if (found == active_.end()) continue;
    found->second.request->deliver(
        {found->second.index, event.token, event.logprob, event.finish, std::move(event.top), std::move(event.prompt)});
    if (event.finish != model::FinishReason::none) active_.erase(found);
  }
}

void Scheduler::fail_all(const std::exception_ptr& error) {
  for (auto& [id, active] : active_) {
    active.request->fail(active.index, error);
    decoder_->remove(id);
  }
  active_.clear();
}

}  // namespace afina::serve
