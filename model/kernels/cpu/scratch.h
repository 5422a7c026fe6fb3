// SPDX-License-Identifier: Apache-2.0
// A 64-byte aligned buffer of floats that only grows: per-thread work space of the kernels. Contents are undefined.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <new>

namespace afina::model::kernels {

class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  /// At least n floats; earlier pointers die when it grows. exact: no slack for the next growth.
  float* get(int64_t n, bool exact = false) {
    if (n > size_) {
      std::free(data_);
      data_ = nullptr;
      size_ = 0;
      const int64_t rounded = ((exact ? n : n + n / 4) + 15) / 16 * 16;
      data_ = static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(rounded) * sizeof(float)));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = rounded;
    }
    return data_;
  }

  int64_t size() const { return size_; }

 private:
  float* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace afina::model::kernels
