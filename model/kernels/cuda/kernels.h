// SPDX-License-Identifier: Apache-2.0
// The CUDA twins of the engine's hot loops: plain pointers and a stream, no LibTorch. All pointers are device pointers
// but those of Nf4Part's host scalars; every launch is asynchronous and in stream order. T is float or Bf16; sums are
// fp32 (the loss head's fp64), whatever T is. No floating-point atomics and one fixed order for every sum, so a launch
// repeated on the same kind of GPU gives the same bits. Rows are independent of each other. Strides are in elements.
// Errors: InternalError where a launch is refused. Twins: model/kernels/cpu/reference.h; tests: tests/cuda.
#pragma once
#include <cstdint>

struct CUstream_st;

namespace afina::model::cuda {

/// cudaStream_t without its header.
using Stream = CUstream_st*;

/// bfloat16 as bits: the upper half of an fp32.
struct Bf16 {
  uint16_t bits;
};

/// Throws InternalError with the runtime's words for a cudaError_t.
[[noreturn]] void launch_failed(int error);

// --- rms_norm.cu ---------------------------------------------------------------------------------------------------

/// Rows of x, y, dx lie x_stride, y_stride, dx_stride apart. rows: row of x (and of dx) that each of the n rows of y
/// (and of dy) belongs to; null: the same one. No row may occur twice.
template <typename T>
struct RmsNorm {
  const T* x = nullptr;
  int64_t x_stride = 0;
  const float* weight = nullptr;  ///< [width]
  int64_t n = 0, width = 0;
  const int* rows = nullptr;
};

/// y = x * rstd * weight, rstd[i] = 1/sqrt(mean(x_i^2) + eps) (arXiv:1910.07467).
template <typename T>
void rms_forward(const RmsNorm<T>& norm, float eps, T* y, int64_t y_stride, float* rstd, Stream stream);
/// The same with known rstd.
template <typename T>
void rms_apply(const RmsNorm<T>& norm, const float* rstd, T* y, int64_t y_stride, Stream stream);
/// dx += rstd * (weight*dy - x * rstd^2 * mean(weight*dy*x)).
template <typename T>
void rms_backward(const RmsNorm<T>& norm, const float* rstd, const T* dy, int64_t dy_stride, T* dx, int64_t dx_stride,
                  Stream stream);

// --- rope.cu -------------------------------------------------------------------------------------------------------

/// q and k of every row, heads side by side: heads of q, then kv_heads of k, head_dim elements each.
template <typename T>
struct Heads {
  T* qk = nullptr;
  int64_t stride = 0, n = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;     ///< head_dim is even
  const int* positions = nullptr;                    ///< [n]
  const float *cosines = nullptr, *sines = nullptr;  ///< [positions, head_dim/2]; null: layers without rotation
  const float *q_norm = nullptr, *k_norm = nullptr;  ///< [head_dim]; null: families without head norms
};

/// Normalises each head where the family does that (raw [n, raw_stride] receives q and k as they were, rstd
/// [n, heads + kv_heads]; both may be null), then rotates it to its position (arXiv:2104.09864).
template <typename T>
void place_heads(const Heads<T>& heads, float eps, T* raw, int64_t raw_stride, float* rstd, Stream stream);
/// heads.qk holds the gradient of placed q and k, and in place becomes that of q and k before.
template <typename T>
void unplace_heads(const Heads<T>& heads, const T* raw, int64_t raw_stride, const float* rstd, Stream stream);

// --- swiglu.cu -----------------------------------------------------------------------------------------------------

/// gate_up: rows [gate | up], width each; h [n, width]: silu(gate) * up (arXiv:2002.05202).
template <typename T>
void swiglu_forward(const T* gate_up, int64_t gate_up_stride, T* h, int64_t h_stride, int64_t n, int64_t width,
                    Stream stream);
/// gate_up becomes [d_gate | d_up]. dh: gradient of h. h, unless null, receives silu(gate) * up again.
template <typename T>
void swiglu_backward(T* gate_up, int64_t gate_up_stride, const T* dh, int64_t dh_stride, T* h, int64_t h_stride,
                     int64_t n, int64_t width, Stream stream);

// --- nf4.cu --------------------------------------------------------------------------------------------------------

enum class Nf4Round : int { none = 0, half = 1, bfloat16 = 2 };

/// One quantised matrix on the device (formats/nf4.h has the layout). packed is 4-byte aligned and readable up to the
/// next multiple of 4 bytes.
struct Nf4Part {
  const uint8_t* packed = nullptr;
  int64_t elements = 0;
  int64_t block = 64;                     ///< a power of two, 32..4096
  const float* code = nullptr;            ///< [16]
  const float* absmax = nullptr;          ///< [blocks]; null with double quantisation
  const uint8_t* absmax_codes = nullptr;  ///< [blocks]
  const float* nested_code = nullptr;     ///< [256]
  const float* nested_absmax = nullptr;
  int64_t nested_block = 256;
  float nested_offset = 0;
  Nf4Round round = Nf4Round::none;  ///< the type the weight had, to which bitsandbytes dequantises
};

/// Elements [0, part.elements) into out, 16-byte aligned. Equals formats::nf4_dequantize bit for bit (then rounded to
/// T).
template <typename T>
void nf4_dequantize(const Nf4Part& part, T* out, Stream stream);

// --- loss.cu -------------------------------------------------------------------------------------------------------

/// What becomes of the logits. exp: exp(z - max z), as the CPU's head leaves them, to be scaled by 1/sum. softmax:
/// probabilities. softmax_minus_onehot: less 1 at the row's only target.
enum class LogitsOut : int { keep = 0, exp = 1, softmax = 2, softmax_minus_onehot = 3 };

/// A chunk of logits rows and their targets: row i has targets [first_target[i], first_target[i+1]).
template <typename T>
struct LossChunk {
  T* logits = nullptr;
  int64_t stride = 0, n = 0, vocabulary = 0;
  const int* first_target = nullptr;  ///< [n + 1]
  const int* tokens = nullptr;        ///< of the targets
  LogitsOut out = LogitsOut::keep;
};

/// Where the results go; any pointer but logp may be null. Per target: logp, correct, entropy, log_sum_p2 (natural
/// logarithms; log Σ p² = logsumexp(2z) - 2 logsumexp(z), arXiv:2406.11827). Per row: inverse_sum = 1/Σ exp(z - max z).
struct LossStats {
  double* logp = nullptr;
  uint8_t* correct = nullptr;  ///< 1 where the token is the first argmax
  double* entropy = nullptr;
  double* log_sum_p2 = nullptr;
  float* inverse_sum = nullptr;
};

/// One pass over each row for maximum and sums (online, arXiv:1805.02867), a second where out asks for one.
template <typename T>
void chunk_loss(const LossChunk<T>& chunk, const LossStats& stats, Stream stream);
/// d[i] = Σ_t dloss_dlogp[t] * w[t] - (Σ_t dloss_dlogp[t]) * kept[i] over row i's targets t: the gradient of a row's
/// normalised hidden state. dloss_dlogp is indexed as first_target counts; w holds the rows of targets from
/// first_target[0] on. w [targets, width], kept and d [n, width], contiguous.
template <typename T>
void head_gradient(const int* first_target, const double* dloss_dlogp, const T* w, const T* kept, T* d, int64_t n,
                   int64_t width, Stream stream);

// --- embedding.cu --------------------------------------------------------------------------------------------------

/// out[i] = table[tokens[i]]; both contiguous, width elements a row.
template <typename T>
void gather_rows(const T* table, const int* tokens, T* out, int64_t n, int64_t width, Stream stream);
/// NEFTune (arXiv:2310.05914): x[i, j] += scale[i] * (2 u(stream_key, i*width + j) - 1), u uniform in [0, 1).
template <typename T>
void add_noise(T* x, const float* scale, uint64_t key, int64_t n, int64_t width, Stream stream);
/// out[i] = in[i]/(1-p) where element i is kept, else 0; the mask of lora/dropout.h. in may be out.
template <typename T>
void dropout(const T* in, T* out, double p, uint64_t key, int64_t n, Stream stream);

// --- rows.cu -------------------------------------------------------------------------------------------------------

/// y[i, j] += bias[j].
template <typename T>
void add_bias(T* y, int64_t stride, const float* bias, int64_t n, int64_t width, Stream stream);
/// y += f*x, element by element.
template <typename T>
void axpy(T* y, const T* x, float f, int64_t n, Stream stream);
/// y[i, j] *= f * (row_factor[i] or 1 where null); contiguous rows.
template <typename T>
void scale_rows(T* y, const float* row_factor, float f, int64_t n, int64_t width, Stream stream);
/// out[i] = in[rows[i]]: K/V rows of prefixes.
template <typename T>
void copy_rows(const T* in, int64_t in_stride, const int* rows, T* out, int64_t out_stride, int64_t n, int64_t width,
               Stream stream);
/// out[rows[i]] += in[from[i]], no row of out twice: their gradients back.
template <typename T>
void add_to_rows(const T* in, int64_t in_stride, const int* from, const int* rows, T* out, int64_t out_stride,
                 int64_t n, int64_t width, Stream stream);
/// out[i, g, :] = sum over h < share of in[i, g*share + h, :]; head_dim elements a head.
template <typename T>
void sum_groups(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t n, int64_t groups, int64_t share,
                int64_t head_dim, Stream stream);
/// Element by element, rounding to nearest even.
void to_bf16(const float* in, Bf16* out, int64_t n, Stream stream);
void to_float(const Bf16* in, float* out, int64_t n, Stream stream);

// --- adamw.cu ------------------------------------------------------------------------------------------------------

/// Scalars of one update, rounded to fp32 once, as finetune's AdamW does.
struct AdamWStep {
  float decay = 1;               ///< 1 - rate * weight_decay
  float weight1 = 0;             ///< 1 - beta1
  float beta2 = 0, weight2 = 0;  ///< weight2 = 1 - beta2
  float root = 1;                ///< sqrt(1 - beta2^t)
  float epsilon = 0;
  float minus_rate = 0;  ///< -(rate / (1 - beta1^t))
  float clip = 1;        ///< factor of the gradient
};
/// One update of the flat buffers (arXiv:1711.05101): the bits of finetune's AdamW, no product fused with a sum.
void adamw(float* parameters, const float* gradient, float* moment1, float* moment2, int64_t n, const AdamWStep& step,
           Stream stream);
/// partial[b] = Σ g² of elements [b*kNormBlock, …) in fp64: the caller adds the partial sums in their order.
inline constexpr int64_t kNormBlock = 16384;
inline int64_t norm_blocks(int64_t n) {
  return (n + kNormBlock - 1) / kNormBlock;
}
void sum_squares(const float* gradient, double* partial, int64_t n, Stream stream);

}  // namespace afina::model::cuda
