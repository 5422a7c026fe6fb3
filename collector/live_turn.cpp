// SPDX-License-Identifier: Apache-2.0
#include "collector/live_turn.h"

#include "base/cat.h"
#include "base/log.h"
#include "http/server.h"

namespace afina::collector {
namespace {

constexpr int kCommitTries = 8;
constexpr std::chrono::milliseconds kFirstCommitPause{250};

}  // namespace

LiveTurn::LiveTurn(Json start, std::vector<std::string> sides) : start_(std::move(start)) {
  for (std::string& side : sides)
    sides_.push_back({std::move(side), ""});
}

void LiveTurn::append(size_t side, std::string_view piece) {
  {
    const std::lock_guard lock(mutex_);
    sides_.at(side).text += piece;
  }
  changed_.notify_all();
}

void LiveTurn::end(std::string event, Json data) {
  {
    const std::lock_guard lock(mutex_);
    end_event_ = std::move(event);
    end_data_ = std::move(data);
  }
  changed_.notify_all();
}

void LiveTurn::follow(http::SseWriter& writer) {
  const std::stop_token stop = writer.stop_token();
  if (!writer.send(dump_json(start_), "start")) return;
  std::vector<size_t> sent(sides_.size(), 0);
  for (bool ended = false; !ended;) {
    std::vector<Json> pieces;
    {
      std::unique_lock lock(mutex_);
      const auto news = [&] {
        bool any = !end_event_.empty();
        for (size_t i = 0; i < sides_.size(); ++i)
          any = any || sides_[i].text.size() > sent[i];
        return any;
      };
      if (!changed_.wait(lock, stop, news)) return;
      for (size_t i = 0; i < sides_.size(); ++i) {
        if (sides_[i].text.size() == sent[i]) continue;
        pieces.push_back({{"side", sides_[i].name}, {"text", sides_[i].text.substr(sent[i])}});
        sent[i] = sides_[i].text.size();
      }
      ended = !end_event_.empty();
    }
    for (const Json& piece : pieces) {
      if (!writer.send(dump_json(piece), "delta")) return;
    }
  }
  // Nothing changes after the end, so no lock is needed while a slow client is written to.
  writer.send(dump_json(end_data_), end_event_);
}

bool LiveTurn::wait(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait(lock, stop, [&] { return !end_event_.empty(); });
}

TurnRunner::~TurnRunner() {
  stop_.request_stop();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return threads_ == 0; });
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

std::shared_ptr<LiveTurn> TurnRunner::start(TurnPlan plan, std::shared_ptr<void> place) {
  std::vector<std::string> names;
  for (const SidePlan& side : plan.sides)
    names.push_back(side.side);
  auto live = std::make_shared<LiveTurn>(plan.start, std::move(names));
  {
    const std::lock_guard lock(mutex_);
    live_[plan.turn_id] = live;
    ++threads_;
  }
  std::thread([this, plan = std::move(plan), live, place = std::move(place), stop = stop_.get_token()]() mutable {
    run(plan, live, stop);
    place.reset();
    const std::lock_guard lock(mutex_);
    live_.erase(plan.turn_id);
    --threads_;
    idle_.notify_all();
  }).detach();
  return live;
}

void TurnRunner::run(const TurnPlan& plan, const std::shared_ptr<LiveTurn>& live, const std::stop_token& stop) {
  std::vector<Completion> results(plan.sides.size());
  {
    std::vector<std::jthread> helpers;
    const auto answer = [&](size_t i) {
      const SidePlan& side = plan.sides[i];
      results[i] = side.upstream->complete(
          plan.messages, side.seed, [&](std::string_view piece) { live->append(i, piece); }, stop);
      if (!results[i].error.empty() && !results[i].error_detail.empty()) {
        log_warning("collector", "turn ", plan.turn_id, " upstream ", side.upstream->config().name, ": ",
                    results[i].error_detail);
      }
    };
    for (size_t i = 1; i < plan.sides.size(); ++i)
      helpers.emplace_back(answer, i);
    answer(0);
  }
  // The answers exist only here until they are committed: a database that is restarting is waited for.
  std::chrono::milliseconds pause = kFirstCommitPause;
  for (int tries = 1;; ++tries) {
    try {
      live->end("done", plan.commit(results));
      return;
    } catch (const std::exception& error) {
      const auto* storage = dynamic_cast<const StorageError*>(&error);
      if (storage == nullptr || !storage->retryable() || tries == kCommitTries) {
        live->end("error", http::error_json(error, plan.turn_id, http::ErrorForm::afina));
        return;
      }
    }
    std::mutex never;
    std::unique_lock lock(never);
    std::condition_variable_any().wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(pause * 2, std::chrono::milliseconds(4000));
  }
}

std::shared_ptr<LiveTurn> TurnRunner::find(const std::string& turn_id) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(turn_id);
  return found == live_.end() ? nullptr : found->second;
}

}  // namespace afina::collector
