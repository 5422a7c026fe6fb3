// SPDX-License-Identifier: Apache-2.0
#include "collector/live_turn.h"

#include <atomic>

#include "base/cat.h"
#include "base/log.h"
#include "base/uuid.h"
#include "http/server.h"

namespace afina::collector {

LiveTurn::LiveTurn(Json start, std::vector<std::string> sides) : start_(std::move(start)), tag_(new_uuid().substr(24)) {
  for (std::string& side : sides)
    sides_.push_back({std::move(side), ""});
}

void LiveTurn::append(size_t side, std::string_view piece) {
  const std::lock_guard lock(mutex_);
  sides_.at(side).text += piece;
  ring_all();
}

void LiveTurn::leak(size_t side) {
  const std::lock_guard lock(mutex_);
  sides_.at(side).leaked = true;
  ring_all();
}

void LiveTurn::end(std::string event, Json data) {
  const std::lock_guard lock(mutex_);
  end_event_ = std::move(event);
  end_data_ = std::move(data);
  ring_all();
  ended_.notify_all();
}

// Under the lock, so that a reader's end waits for it.
void LiveTurn::ring_all() {
  for (const auto& [reader, ring] : rings_)
    ring();
}

bool LiveTurn::wait(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return ended_.wait(lock, stop, [&] { return !end_event_.empty(); });
}

struct TurnRunner::Job {
  TurnPlan plan;
  std::shared_ptr<LiveTurn> live;
  std::shared_ptr<void> place, held;
  std::vector<Completion> said;
  std::atomic<size_t> left;
};

TurnRunner::TurnRunner(int max_turns, AnswerJobs& jobs) : max_turns_(max_turns), jobs_(jobs) {}

TurnRunner::~TurnRunner() {
  jobs_.stop();
}

std::shared_ptr<void> TurnRunner::reserve() {
  const std::lock_guard lock(mutex_);
  if (reserved_ >= max_turns_) {
    throw http::HttpError(ErrorKind::conflict, 503, "[messages] must wait for a free place, but all are taken.",
                          "upstream_busy", 2);
  }
  ++reserved_;
  return {nullptr, [this](void*) {
            const std::lock_guard release(mutex_);
            --reserved_;
          }};
}

std::shared_ptr<void> TurnRunner::claim(const std::string& turn_id) {
  const std::lock_guard lock(mutex_);
  if (live_.contains(turn_id) || !claimed_.insert(turn_id).second) return nullptr;
  return {this, [this, turn_id](void*) {
            const std::lock_guard release(mutex_);
            claimed_.erase(turn_id);
          }};
}

std::shared_ptr<LiveTurn> TurnRunner::start(TurnPlan plan, std::shared_ptr<void> place) {
  std::vector<std::string> names;
  for (const SidePlan& side : plan.sides)
    names.push_back(side.side);
  const auto job = std::make_shared<Job>();
  job->live = std::make_shared<LiveTurn>(plan.start, std::move(names));
  job->plan = std::move(plan);
  job->place = std::move(place);
  job->held = jobs_.hold();
  job->said.resize(job->plan.sides.size());
  job->left = job->plan.sides.size();
  const auto live = job->live;
  {
    const std::lock_guard lock(mutex_);
    live_[job->plan.turn_id] = live;
  }
  for (size_t i = 0; i < job->plan.sides.size(); ++i) {
    const SidePlan& side = job->plan.sides[i];
    const auto on_piece = [job, i](std::string_view piece) {
      job->live->append(i, piece);
      const auto& leaks = job->plan.sides[i].leaks;
      if (leaks && leaks(piece)) job->live->leak(i);
    };
    side.upstream->start(
        jobs_.client(), job->plan.messages, side.seed, on_piece,
        [this, job, i](Completion said) { finish_side(job, i, std::move(said)); }, jobs_.stop_token());
  }
  return live;
}

void TurnRunner::finish_side(const std::shared_ptr<Job>& job, size_t i, Completion said) {
  const SidePlan& side = job->plan.sides[i];
  if (side.leaks && side.leaks("")) job->live->leak(i);
  if (!said.error.empty() && !said.error_detail.empty()) {
    log_warning("collector", "turn ", job->plan.turn_id, " upstream ", side.upstream->config().name, ": ",
                said.error_detail);
  }
  job->said[i] = std::move(said);
  if (--job->left == 0) commit(job);
}

void TurnRunner::commit(const std::shared_ptr<Job>& job) {
  const auto data = std::make_shared<Json>();
  jobs_.commit([job, data] { *data = job->plan.commit(job->said); },
               [this, job, data](const std::exception_ptr& failed) {
                 try {
                   if (failed) std::rethrow_exception(failed);
                   end(job, "done", std::move(*data));
                 } catch (const std::exception& error) {
                   end(job, "error", http::error_json(error, job->plan.turn_id, http::ErrorForm::afina));
                 }
               });
}

// Whoever hears the end may ask for the next answer at once: the place must be free by then, and the turn no more live.
void TurnRunner::end(const std::shared_ptr<Job>& job, std::string event, Json data) {
  job->place.reset();
  {
    const std::lock_guard lock(mutex_);
    live_.erase(job->plan.turn_id);
  }
  job->live->end(std::move(event), std::move(data));
}

std::shared_ptr<LiveTurn> TurnRunner::find(const std::string& turn_id) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(turn_id);
  return found == live_.end() ? nullptr : found->second;
}

bool TurnRunner::is_running(const std::string& turn_id) {
  const std::lock_guard lock(mutex_);
  return live_.contains(turn_id) || claimed_.contains(turn_id);
}

}  // namespace afina::collector
