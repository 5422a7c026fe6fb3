// SPDX-License-Identifier: Apache-2.0
// What one render of a template may spend: steps, memory alive, stack and time. A hostile template meets one of these
// within about a second. The render in progress is found through its thread.
#pragma once
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "text/jinja.h"

namespace afina::text::jinja {

/// A limit was met; passes through everything that handles a template's own errors.
class LimitError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Budget {
 public:
  explicit Budget(const JinjaLimits& limits);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// Null outside a render.
  static Budget* current();
  /// One evaluated node; also looks at the stack, and now and then at the clock.
  void step();
  /// Work on so many characters or items.
  void work(size_t amount);
  /// Throws before a value of that many characters would be made.
  void check_characters(double count) const;
  void check_items(double count) const;
  void check_range(double count) const;
  void hold(size_t bytes);
  void release(size_t bytes) { held_bytes_ -= bytes; }
  const JinjaLimits& limits() const { return limits_; }

 private:
  JinjaLimits limits_;
  std::chrono::steady_clock::time_point start_;
  const char* stack_base_;
  size_t steps_ = 0;
  size_t next_look_ = 0;
  size_t held_bytes_ = 0;
  Budget* outer_;
};

inline void work(size_t amount) {
  if (Budget* budget = Budget::current()) budget->work(amount);
}

/// Bytes that a value keeps alive, given back when it dies.
class Charge {
 public:
  explicit Charge(size_t bytes) : budget_(Budget::current()), bytes_(bytes) {
    if (budget_ != nullptr) budget_->hold(bytes);
  }
  ~Charge() {
    if (budget_ != nullptr && budget_ == Budget::current()) budget_->release(bytes_);
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

 private:
  Budget* budget_;
  size_t bytes_;
};

}  // namespace afina::text::jinja
