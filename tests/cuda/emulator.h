// SPDX-License-Identifier: Apache-2.0
// Runs CUDA kernels on the CPU, from their own source text: the words of the language that the kernels use, as macros
// and functions for g++. A block's threads are fibers with CUDA's rules: a barrier waits for every thread of the block,
// a shuffle for every lane of the warp, and where that cannot happen (a thread has ended, or waits at another barrier)
// the launch fails. Shared memory is filled with NaN before each block. Threads run one at a time from barrier to
// barrier, in an order that tests vary: a missing barrier shows as other bits. What it cannot show: speed, the memory
// model within a warp, registers and limits of a real GPU.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

namespace afina::emulator {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

/// Order in which the threads of a block run between two barriers.
enum class Order { forward, reverse, shuffled };

/// The one GPU. Not thread-safe.
class Machine {
 public:
  Index thread, block, block_dim, grid_dim;
  Order order = Order::forward;

  /// Runs the kernel for each block and thread. Throws std::logic_error where a barrier cannot be met. threads: a
  /// multiple of 32.
  void run(unsigned blocks, unsigned threads, const std::function<void()>& kernel);
  /// __syncthreads() of source line `line`.
  void barrier(int line);
  /// The value of lane `source` of this warp; waits for all of its lanes.
  uint64_t exchange(uint64_t value, unsigned source);
  /// Barriers that this machine let a block through so far.
  int64_t barriers_passed() const { return barriers_passed_; }

 private:
  struct Block;
  Block* current_ = nullptr;
  int64_t barriers_passed_ = 0;
};

Machine& machine();

/// Bits of the nearest bfloat16, ties to even.
uint16_t bfloat16_bits(float x);
/// Through the nearest half, ties to even.
float round_to_half(float x);

template <typename T>
T shuffle(T value, unsigned source) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = machine().exchange(bits, source);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace afina::emulator

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
// One section, so that the machine can fill it; names of C identifiers get __start_ and __stop_ symbols.
#define __shared__ static __attribute__((section("afina_shared")))
#define threadIdx (::afina::emulator::machine().thread)
#define blockIdx (::afina::emulator::machine().block)
#define blockDim (::afina::emulator::machine().block_dim)
#define gridDim (::afina::emulator::machine().grid_dim)
#define __syncthreads() ::afina::emulator::machine().barrier(__LINE__)

template <typename T>
T __shfl_xor_sync(unsigned /*mask*/, T value, int lanes) {
  return ::afina::emulator::shuffle(value, threadIdx.x % 32U ^ static_cast<unsigned>(lanes));
}
template <typename T>
T __shfl_sync(unsigned /*mask*/, T value, int lane) {
  return ::afina::emulator::shuffle(value, static_cast<unsigned>(lane) % 32U);
}

inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline float __int_as_float(int bits) {
  return __uint_as_float(static_cast<unsigned>(bits));
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fsub_rn(float a, float b) {
  return a - b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __fsqrt_rn(float a) {
  return std::sqrt(a);
}
