// SPDX-License-Identifier: Apache-2.0
// Memory of the kernels' tests, which are the same for the emulator and for a GPU. Emulated, it ends at a page that
// nobody may touch, so a read or write beyond it stops the test, and what lies before it is checked. On a GPU it is
// managed memory (compute-sanitizer finds there what the page finds here).
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <new>
#include <random>
#include <span>
#include <vector>

#include "formats/dtype.h"
#include "model/kernels/cuda/kernels.h"
#if defined(AFINA_CUDA_EMULATED)
#include "tests/cuda/emulator.h"
#else
#include <cuda_runtime_api.h>
#endif

namespace afina::model::cuda {

namespace memory {
#if defined(AFINA_CUDA_EMULATED)
/// bytes bytes that end where a page does.
inline std::map<char*, std::pair<char*, size_t>>& pages() {
  static std::map<char*, std::pair<char*, size_t>> all;
  return all;
}
inline char* take(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t body = (bytes + page - 1) / page * page;
  auto* start =
      static_cast<char*>(mmap(nullptr, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(start + body, page, PROT_NONE);
  char* memory = start + body - bytes;
  pages()[memory] = {start, body + page};
  return memory;
}
inline void give_back(char* memory) {
  const auto at = pages().find(memory);
  munmap(at->second.first, at->second.second);
  pages().erase(at);
}
inline void synchronize() {}
#else
inline char* take(size_t bytes) {
  void* memory = nullptr;
  if (cudaMallocManaged(&memory, bytes) != cudaSuccess) throw std::bad_alloc();
  return static_cast<char*>(memory);
}
inline void give_back(char* memory) {
  cudaFree(memory);
}
inline void synchronize() {
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}
#endif
}  // namespace memory

inline Bf16 narrow(float x, Bf16 /*type*/) {
  return Bf16{formats::float_to_bfloat16(x)};
}
inline float narrow(float x, float /*type*/) {
  return x;
}
inline float widen(Bf16 x) {
  return formats::bfloat16_to_float(x.bits);
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
    const size_t body = ((n + offset) * sizeof(T) + 15) / 16 * 16;
    memory_ = memory::take(body + kBefore);
    std::memset(memory_, kFill, body + kBefore);
    data_ = reinterpret_cast<T*>(memory_ + kBefore) + offset;
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
    memory::synchronize();
    EXPECT_EQ(static_cast<unsigned char>(reinterpret_cast<char*>(data_)[-1]), kFill) << "written before its begin";
    memory::give_back(memory_);
  }

  T* data() { return data_; }
  /// As floats (or T's own, of integers and doubles).
  auto values() const {
    memory::synchronize();
    std::vector<decltype(widen(T{}))> out(n_);
    for (size_t i = 0; i < n_; ++i)
      out[i] = widen(data_[i]);
    return out;
  }

 private:
  static constexpr size_t kBefore = 64;
  static constexpr unsigned char kFill = 0xA5;
  size_t n_;
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

inline void set_order(int which) {
#if defined(AFINA_CUDA_EMULATED)
  emulator::machine().order = static_cast<emulator::Order>(which);
#else
  (void)which;  // a GPU has its own order each time
#endif
}

/// f makes its inputs, launches and returns results. Threads run in several orders: the bits must be the same.
template <typename F>
auto in_every_order(F f) {
  set_order(0);
  const auto first = f();
  for (const int order : {1, 2}) {
    set_order(order);
    const auto again = f();
    EXPECT_EQ(again.size(), first.size());
    EXPECT_EQ(std::memcmp(again.data(), first.data(), first.size() * sizeof(first[0])), 0)
        << "the order of threads shows";
  }
  set_order(0);
  return first;
}

}  // namespace afina::model::cuda
