// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_budget.h"

#include <cstdlib>

#include "base/cat.h"

namespace afina::text::jinja {

namespace {

thread_local Budget* current_budget = nullptr;

}  // namespace

Budget::Budget(const JinjaLimits& limits)
    : limits_(limits),
      start_(std::chrono::steady_clock::now()),
      stack_base_(static_cast<const char*>(__builtin_frame_address(0))),
      outer_(current_budget) {
  current_budget = this;
}

Budget::~Budget() {
  current_budget = outer_;
}

Budget* Budget::current() {
  return current_budget;
}

void Budget::step() {
  const auto depth = std::abs(stack_base_ - static_cast<const char*>(__builtin_frame_address(0)));
  if (static_cast<size_t>(depth) > limits_.stack_bytes) {
    throw LimitError(cat("macros and values at most ", limits_.stack_bytes, " bytes of stack deep"));
  }
  work(1);
}

void Budget::work(size_t amount) {
  steps_ += amount;
  if (steps_ > limits_.steps) throw LimitError(cat("at most ", limits_.steps, " steps"));
  if (steps_ < next_look_) return;
  next_look_ = steps_ + 10'000;
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
  if (spent.count() > limits_.seconds) throw LimitError(cat("at most ", limits_.seconds, " s"));
}

void Budget::check_characters(double count) const {
  if (count > static_cast<double>(limits_.value_characters)) {
    throw LimitError(cat("values of at most ", limits_.value_characters, " characters"));
  }
}

void Budget::check_items(double count) const {
  if (count > static_cast<double>(limits_.value_items)) {
    throw LimitError(cat("values of at most ", limits_.value_items, " items"));
  }
}

void Budget::check_range(double count) const {
  if (count > static_cast<double>(limits_.range_length)) {
    throw LimitError(cat("ranges of at most ", limits_.range_length));
  }
}

void Budget::hold(size_t bytes) {
  held_bytes_ += bytes;
  if (held_bytes_ > limits_.held_bytes) {
    held_bytes_ -= bytes;
    throw LimitError(cat("at most ", limits_.held_bytes, " bytes of values"));
  }
}

}  // namespace afina::text::jinja
