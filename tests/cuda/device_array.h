// SPDX-License-Identifier: Apache-2.0
// Memory that stands for a GPU's in the kernels' tests: it ends at a page that nobody may touch, so a read or write
// beyond it stops the test, and what lies before it is checked.
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "model/kernels/cuda/kernels.h"
#include "tests/cuda/emulator.h"

namespace afina::model::cuda {

inline Bf16 narrow(float x, Bf16 /*type*/) {
  return Bf16{emulator::bfloat16_bits(x)};
}
inline float narrow(float x, float /*type*/) {
  return x;
}
inline float widen(Bf16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
template <typename T>
T widen(T x) {
  return x;
}

template <typename T>
class DeviceArray {
 public:
  /// offset: elements by which data() misses a multiple of 16 bytes.
  explicit DeviceArray(size_t n, size_t offset = 0) : n_(n) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = ((n + offset) * sizeof(T) + 15) / 16 * 16;
    bytes_ = (body + kBefore + page - 1) / page * page;
    memory_ =
        static_cast<char*>(mmap(nullptr, bytes_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::memset(memory_, kFill, bytes_);
    mprotect(memory_ + bytes_, page, PROT_NONE);
    bytes_ += page;
    data_ = reinterpret_cast<T*>(memory_ + bytes_ - page - body) + offset;
  }
  explicit DeviceArray(std::span<const float> values,
                       size_t offset = 0) requires(std::is_same_v<T, float> || std::is_same_v<T, Bf16>)
      : DeviceArray(values.size(), offset) {
    for (size_t i = 0; i < n_; ++i)
      data_[i] = narrow(values[i], T{});
  }
  explicit DeviceArray(const std::vector<T>& values) requires(!std::is_same_v<T, float> && !std::is_same_v<T, Bf16>)
      : DeviceArray(values.size()) {
    std::copy(values.begin(), values.end(), data_);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() {
    EXPECT_EQ(static_cast<unsigned char>(reinterpret_cast<char*>(data_)[-1]), kFill) << "written before its begin";
    munmap(memory_, bytes_);
  }

  T* data() { return data_; }
  /// As floats (or T's own, of integers and doubles).
  auto values() const {
    std::vector<decltype(widen(T{}))> out(n_);
    for (size_t i = 0; i < n_; ++i)
      out[i] = widen(data_[i]);
    return out;
  }

 private:
  static constexpr size_t kBefore = 64;
  static constexpr unsigned char kFill = 0xA5;
  size_t n_, bytes_ = 0;
  char* memory_ = nullptr;
  T* data_ = nullptr;
};

inline std::vector<float> noise(int64_t n, unsigned seed, float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& x : out)
    x = normal(generator);
  return out;
}

/// The values that a T holds of these.
template <typename T>
std::vector<float> rounded(std::vector<float> values) {
  for (float& x : values)
    x = widen(narrow(x, T{}));
  return values;
}

/// Half a unit in the last place of a T, and some for fp32 sums of n terms.
template <typename T>
double tolerance(int64_t n = 1) {
  return (std::is_same_v<T, Bf16> ? 1.0 / 256 : 0.0) + 1e-6 * std::sqrt(static_cast<double>(n));
}

template <typename A, typename B>
void expect_near(const std::vector<A>& got, const std::vector<B>& want, double tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance * (1.0 + std::abs(want[i]))) << what << " at " << i;
}

/// f makes its inputs, launches and returns results. Threads run in several orders: the bits must be the same.
template <typename F>
auto in_every_order(F f) {
  emulator::machine().order = emulator::Order::forward;
  const auto first = f();
  for (const auto order : {emulator::Order::reverse, emulator::Order::shuffled}) {
    emulator::machine().order = order;
    const auto again = f();
    EXPECT_EQ(again.size(), first.size());
    EXPECT_EQ(std::memcmp(again.data(), first.data(), first.size() * sizeof(first[0])), 0)
        << "the order of threads shows";
  }
  emulator::machine().order = emulator::Order::forward;
  return first;
}

}  // namespace afina::model::cuda
