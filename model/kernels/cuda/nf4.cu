// SPDX-License-Identifier: Apache-2.0
// NF4 to floats (QLoRA, arXiv:2305.14314) with double quantisation folded in: one pass, 0.5 bytes read an element. A
// thread turns 8 codes into one or two 16-byte stores, so a warp's stores are contiguous; four such words a thread are
// in flight at a time, as many bytes as one 16-byte load would bring, which would leave the stores 64 bytes apart.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

constexpr int kWords = 4;  // of 8 codes, a thread
constexpr int kCodes = 16;

__device__ __forceinline__ float round_to_half(float x) {
#if defined(AFINA_CUDA_EMULATED)
  return emulator::round_to_half(x);
#else
  uint16_t bits;
  float out;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits));
  return out;
#endif
}

template <Nf4Round R>
__device__ __forceinline__ float rounded(float x) {
  if constexpr (R == Nf4Round::half) return round_to_half(x);
  if constexpr (R == Nf4Round::bfloat16) return to_float(from_float<Bf16>(x));
  return x;
}

/// As formats::Nf4View::scale: product and sum are rounded one by one.
__device__ __forceinline__ float scale_of(const Nf4Part& part, int64_t block) {
  if (part.absmax != nullptr) return part.absmax[block];
  const float fine = part.nested_code[part.absmax_codes[block]];
  return __fadd_rn(__fmul_rn(fine, part.nested_absmax[block / part.nested_block]), part.nested_offset);
}

/// Elements [8*word, 8*word + 8), or those of them that exist.
template <typename T, Nf4Round R>
__device__ __forceinline__ void write_word(const Nf4Part& part, const float* code, unsigned codes, int64_t word,
                                           T* out) {
  const int64_t first = word * 8;
  const float scale = scale_of(part, first / part.block);
  float value[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    // Bytes in memory order, the high nibble first.
    const unsigned shift = static_cast<unsigned>(i / 2 * 8 + (i % 2 == 0 ? 4 : 0));
    value[i] = rounded<R>(__fmul_rn(code[codes >> shift & 15U], scale));
  }
  if (first + 8 <= part.elements) {
    store(out + first, value);
    return;
  }
  for (int i = 0; first + i < part.elements; ++i)
    out[first + i] = from_float<T>(value[i]);
}

template <typename T, Nf4Round R>
__global__ void dequantize(Nf4Part part, T* out) {
  // 16 codes in 16 banks: threads that read different codes never collide.
  __shared__ float code[kCodes];
  if (threadIdx.x < kCodes) code[threadIdx.x] = part.code[threadIdx.x];
  __syncthreads();
  const int64_t words = (part.elements + 7) / 8;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads * kWords + threadIdx.x;
  const auto* packed = reinterpret_cast<const unsigned*>(part.packed);
  unsigned codes[kWords];
#pragma unroll
  for (int w = 0; w < kWords; ++w)
    codes[w] = first + w * kThreads < words ? packed[first + w * kThreads] : 0U;
#pragma unroll
  for (int w = 0; w < kWords; ++w)
    if (first + w * kThreads < words) write_word<T, R>(part, code, codes[w], first + w * kThreads, out);
}

}  // namespace

template <typename T>
void nf4_dequantize(const Nf4Part& part, T* out, Stream stream) {
  const int64_t words = (part.elements + 7) / 8, blocks = blocks_for((words + kWords - 1) / kWords);
  switch (part.round) {
    case Nf4Round::none:
      return launch(dequantize<T, Nf4Round::none>, blocks, stream, part, out);
    case Nf4Round::half:
      return launch(dequantize<T, Nf4Round::half>, blocks, stream, part, out);
    case Nf4Round::bfloat16:
      return launch(dequantize<T, Nf4Round::bfloat16>, blocks, stream, part, out);
  }
}

template void nf4_dequantize(const Nf4Part&, float*, Stream);
template void nf4_dequantize(const Nf4Part&, Bf16*, Stream);

}  // namespace afina::model::cuda
