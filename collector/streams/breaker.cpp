// SPDX-License-Identifier: Apache-2.0
#include "collector/streams/breaker.h"

#include <algorithm>

#include "base/log.h"

namespace afina::collector {

std::string_view to_string(CircuitBreaker::State state) {
  constexpr std::string_view kNames[] = {"closed", "open", "half_open"};
  return kNames[static_cast<int>(state)];
}

bool CircuitBreaker::allow(Time now) {
  const std::lock_guard lock(mutex_);
  if (!open_) return true;
  if (now < until_ || probing_) return false;
  probing_ = true;
  return true;
}

void CircuitBreaker::report(Outcome outcome, Time now) {
  const std::lock_guard lock(mutex_);
  if (outcome == Outcome::neither) {
    probing_ = false;  // the next request probes again
  } else if (outcome == Outcome::success) {
    if (open_) log_info("collector", "upstream ", name_, " answers again");
    open_ = probing_ = false;
    in_a_row_ = 0;
    pause_ = first_pause_;
  } else if (failures_ > 0) {
    ++in_a_row_;
    if (open_ && probing_) {
      pause_ = std::min(pause_ * 2, kLongest);
      open_locked(now);
    } else if (!open_ && in_a_row_ >= failures_) {
      open_locked(now);
    }
  }
}

void CircuitBreaker::open_locked(Time now) {
  open_ = true;
  probing_ = false;
  until_ = now + pause_;
  log_warning("collector", "upstream ", name_, " failed ", in_a_row_, " times in a row and is left alone for ",
              pause_.count(), " s");
}

CircuitBreaker::State CircuitBreaker::state(Time now) const {
  const std::lock_guard lock(mutex_);
  if (!open_) return State::closed;
  return now < until_ && !probing_ ? State::open : State::half_open;
}

}  // namespace afina::collector
