// SPDX-License-Identifier: Apache-2.0
// A 64-byte aligned buffer of floats that only grows: per-thread work space of the kernels. Contents are undefined.
#pragma once
#include <sys/mman.h>

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
      data_ = allocate(static_cast<size_t>(rounded) * sizeof(float));
      size_ = rounded;
    }
    return data_;
  }

  int64_t size() const { return size_; }

 private:
  /// Big ones ask for huge pages: streaming through panels on small ones costs 5-10 % in page walks.
  static float* allocate(size_t bytes) {
    constexpr size_t kHuge = 2 << 20;
    const bool huge = bytes >= 2 * kHuge;
    void* data = nullptr;
    if (posix_memalign(&data, huge ? kHuge : 64, bytes) != 0) throw std::bad_alloc();
    if (huge) madvise(data, bytes / kHuge * kHuge, MADV_HUGEPAGE);  // a wish: refusal changes nothing but speed
    return static_cast<float*>(data);
  }

  float* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace afina::model::kernels
