// SPDX-License-Identifier: Apache-2.0
#include "bench/step_bound.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "base/cat.h"
#include "base/clock.h"
#include "bench/onednn.h"
#include "model/kernels/cpu/table.h"

namespace afina::bench {
namespace {

/// Work a second at the best of several tries.
double best_rate(double work, const std::function<void()>& body) {
  body();
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    const Stopwatch watch;
    body();
    best = std::max(best, work / watch.seconds());
  }
  return best;
}

struct Rate {
  double value = 0;
  const char* who = "";
  void offer(double rate, const char* name) {
    if (rate > value) *this = {rate, name};
  }
};

double gflop(int64_t m, int64_t n, int64_t k) {
  return 2e-9 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

/// x [m, k] times w [n, k] transposed.
Rate product_rate(int64_t m, int64_t n, int64_t k, at::ScalarType type) {
  const auto x = at::randn({m, k}).to(type), w = at::randn({n, k}).to(type);
  const at::Tensor packed = onednn_pack(w, m);
  at::Tensor y = at::empty({m, n}, type);
  Rate rate;
  rate.offer(best_rate(gflop(m, n, k), [&] { at::mm_out(y, x, w.t()); }), "at::mm");
  rate.offer(best_rate(gflop(m, n, k), [&] { onednn_linear(x, packed); }), "oneDNN");
  return rate;
}

/// The engine's own product over the weight as it lies in memory.
Rate engine_rate(const model::FrozenLinear& linear, int64_t m) {
  const auto x = at::randn({m, linear.in_features()});
  at::Tensor y = at::zeros({m, linear.out_features()});
  Rate rate;
  rate.offer(best_rate(gflop(m, linear.in_features(), linear.out_features()), [&] { linear.forward(x, y, 0.0F); }),
             "ours");
  return rate;
}

constexpr int kChains = 12;

/// Independent chains x = x * a + b, which nothing but the arithmetic units can slow down.
template <typename Vec>
inline __attribute__((always_inline)) float chains(int64_t turns) {
  Vec x[kChains] = {};
  const Vec a = Vec{} + 1.0001F, b = Vec{} + 0.5F;
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& chain : x)
      chain = chain * a + b;
  }
  for (int c = 1; c < kChains; ++c)
    x[0] += x[c];
  return x[0][0];
}
typedef float Vec4 __attribute__((vector_size(16)));
typedef float Vec8 __attribute__((vector_size(32)));
typedef float Vec16 __attribute__((vector_size(64)));
__attribute__((target("avx512f"))) float chains_avx512(int64_t turns) {
  return chains<Vec16>(turns);
}
__attribute__((target("avx2,fma"))) float chains_avx2(int64_t turns) {
  return chains<Vec8>(turns);
}
float chains_plain(int64_t turns) {
  return chains<Vec4>(turns);
}

WorkClass frozen(const model::Model& model, int64_t rows, at::ScalarType type) {
  WorkClass out{"frozen products", 0, 0, ""};
  double seconds = 0;
  for (int s = 0; s < model::kSites; ++s) {
    const auto& linear = model.linear(0, static_cast<model::Site>(s));
    Rate rate = engine_rate(linear, rows);
    for (const auto& [n, k] : {std::pair{linear.out_features(), linear.in_features()},
                               std::pair{linear.in_features(), linear.out_features()}}) {
      const Rate peer = product_rate(rows, n, k, type);
      rate.offer(peer.value, peer.who);
    }
    const double work =
        2 * gflop(rows, linear.out_features(), linear.in_features()) * static_cast<double>(model.config().layers);
    out.work += work;
    seconds += work / rate.value;
    if (out.best.find(rate.who) == std::string::npos) out.best += cat(out.best.empty() ? "" : ", ", rate.who);
  }
  out.rate = out.work / seconds;
  return out;
}

WorkClass head(const model::Model& model, const datasets::PackedBatch& batch, at::ScalarType type) {
  const auto& c = model.config();
  const int64_t chunk = std::min<int64_t>(256, static_cast<int64_t>(batch.targets.size()));
  Rate rate = engine_rate(model.head(), chunk);
  const Rate peer = product_rate(chunk, c.vocab_size, c.hidden, type);
  rate.offer(peer.value, peer.who);
  return {"head", 2 * gflop(static_cast<int64_t>(batch.targets.size()), c.vocab_size, c.hidden), rate.value, rate.who};
}

/// Forward x A' and (x A') B', backward four such products; the best rate is that of the wider of the two.
WorkClass adapter(const model::Model& model, int64_t rows, const std::array<int64_t, 4>& widths, int64_t parameters) {
  const auto& c = model.config();
  Rate rate;
  for (int s = 0; s < model::kSites; ++s) {
    const int64_t r = widths[static_cast<size_t>(s)];
    if (r == 0) continue;
    for (const auto& [n, k] : {std::pair{r, c.site_in(static_cast<model::Site>(s))},
                               std::pair{c.site_out(static_cast<model::Site>(s)), r}}) {
      const Rate found = product_rate(rows, n, k, at::kFloat);
      rate.offer(found.value, found.who);
    }
  }
  return {"adapter products", 6e-9 * static_cast<double>(rows) * static_cast<double>(parameters), rate.value, rate.who};
}

WorkClass attention(const model::Model& model, const datasets::PackedBatch& batch) {
  const auto& c = model.config();
  double attended = 0;
  int64_t longest = 1;
  for (const auto& segment : batch.segments) {
    attended += 0.5 * segment.length * segment.length + static_cast<double>(segment.length) * segment.prefix_length;
    longest = std::max<int64_t>(longest, segment.length + segment.prefix_length);
  }
  const auto q = at::randn({c.heads, longest, c.head_dim}), k = at::randn({c.heads, c.head_dim, longest});
  at::Tensor scores = at::empty({c.heads, longest, longest});
  Rate rate;
  const double work = 2e-9 * static_cast<double>(c.heads * longest * longest * c.head_dim);
  rate.offer(best_rate(work, [&] { at::bmm_out(scores, q, k); }), "at::bmm");
  const auto wide = product_rate(longest, longest, c.head_dim, at::kFloat);
  rate.offer(wide.value, wide.who);
  return {"attention", 3.5 * 4e-9 * attended * static_cast<double>(c.q_width() * c.layers), rate.value, rate.who};
}

/// Each row loop reads its inputs and writes its outputs once: norms, rotary positions, silu, and their gradients; and
/// AdamW's seven passes over the adapter.
WorkClass memory(const model::Model& model, int64_t rows, int64_t parameters) {
  const auto& c = model.config();
  const int64_t qk = c.q_width() + c.kv_width();
  const int64_t forward = 2 * 2 * c.hidden + 2 * qk + 3 * c.ffn;
  const int64_t backward = 2 * 2 * c.hidden + 2 * 4 * c.hidden + 2 * qk + 5 * c.ffn + 3 * c.ffn;
  const double floats = static_cast<double>(rows * c.layers * (forward + backward) + 7 * parameters);
  const auto from = at::randn({1 << 25});
  at::Tensor to = at::empty_like(from);
  const double moved = 8e-9 * static_cast<double>(from.numel());
  return {"memory", 4e-9 * floats, best_rate(moved, [&] { to.copy_(from); }), "copy"};
}

}  // namespace

double StepBound::seconds() const {
  return std::accumulate(classes.begin(), classes.end(), 0.0,
                         [](double sum, const WorkClass& c) { return sum + c.seconds(); });
}

double StepBound::gflop() const {
  return std::accumulate(classes.begin(), classes.end(), 0.0,
                         [](double sum, const WorkClass& c) { return c.name == "memory" ? sum : sum + c.work; });
}

StepBound step_bound(const model::Model& model, const datasets::PackedBatch& batch,
                     const std::array<int64_t, 4>& adapter_widths, int64_t adapter_parameters, bool bf16) {
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  StepBound out;
  out.classes = {frozen(model, batch.rows(), type), head(model, batch, type),
                 adapter(model, batch.rows(), adapter_widths, adapter_parameters), attention(model, batch),
                 memory(model, batch.rows(), adapter_parameters)};
  return out;
}

double fma_peak_gflops() {
  constexpr int64_t kTurns = 20000000;
  const bool wide = model::kernels::has(model::kernels::Isa::avx512);
  const int threads = at::get_num_threads();
  std::vector<float> sinks(static_cast<size_t>(threads));
  const double lanes = wide ? 16 : model::kernels::has(model::kernels::Isa::avx2) ? 8 : 4;
  return best_rate(2e-9 * static_cast<double>(kTurns) * kChains * lanes * threads, [&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        sinks[static_cast<size_t>(t)] = wide        ? chains_avx512(kTurns)
                                        : lanes > 4 ? chains_avx2(kTurns)
                                                    : chains_plain(kTurns);
    });
  });
}

}  // namespace afina::bench
