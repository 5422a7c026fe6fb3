// SPDX-License-Identifier: Apache-2.0
// The engine's kernels one by one at SmolLM2-135M's shapes, beside what LibTorch offers for the same work: at::mm,
// oneDNN over packed weights, its flash attention on the CPU, and the bandwidth of a copy.
#include <ATen/ATen.h>

#include <cstdio>
#include <functional>

#include "base/clock.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "bench/onednn.h"
#include "bench/step_bound.h"
#include "model/config.h"
#include "model/cpu_compute.h"
#include "model/frozen_bf16.h"
#include "model/frozen_linear.h"
#include "model/thin_products.h"
#include "model/threads.h"

namespace {

using namespace afina;

/// Work a second, the best of several tries.
double rate(double work, const std::function<void()>& body) {
  body();
  double best = 0;
  for (int i = 0; i < 7; ++i) {
    const Stopwatch watch;
    body();
    best = std::max(best, work / watch.seconds());
  }
  return best;
}

struct Shape {
  const char* name;
  int64_t m, k, n;
};

void products(bool bf16) {
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  std::printf("\n%s products, GFLOP/s: ours (forward, input gradient), at::mm, oneDNN packed\n",
              bf16 ? "bf16" : "fp32");
  for (const Shape& s : {Shape{"q|k|v", 512, 576, 960}, Shape{"q|k|v", 2048, 576, 960}, Shape{"o", 2048, 576, 576},
                         Shape{"gate|up", 512, 576, 3072}, Shape{"gate|up", 2048, 576, 3072},
                         Shape{"down", 2048, 1536, 576}, Shape{"head", 256, 576, 49152}}) {
    const double work = 2e-9 * static_cast<double>(s.m * s.k * s.n);
    const at::Tensor w_OI = at::randn({s.n, s.k}) * 0.02, x = at::randn({s.m, s.k}), dy = at::randn({s.m, s.n});
    at::Tensor y = at::zeros({s.m, s.n}), dx = at::zeros({s.m, s.k});
    const model::RowReader reader = [&](int64_t first, at::Tensor& out) {
      out.copy_(w_OI.narrow(0, first, out.size(0)));
    };
    const auto linear =
        bf16 ? model::make_frozen_bf16(s.n, s.k, reader, model::Transposed::kept)
             : model::make_frozen_f32(s.n, s.k, reader, model::GemmBackend::packed, model::Transposed::kept);
    linear->prepare_backward();
    const at::Tensor xt = x.to(type), wt = w_OI.to(type), packed = bench::onednn_pack(wt, s.m);
    at::Tensor yt = at::empty({s.m, s.n}, type);
    std::printf("  %-8s %5ld x %4ld x %5ld   %6.0f %6.0f   %6.0f   %6.0f\n", s.name, static_cast<long>(s.m),
                static_cast<long>(s.k), static_cast<long>(s.n), rate(work, [&] { linear->forward(x, y, 0.0F); }),
                rate(work, [&] { linear->backward_input(dy, dx, 0.0F); }),
                rate(work, [&] { at::mm_out(yt, xt, wt.t()); }), rate(work, [&] { bench::onednn_linear(xt, packed); }));
  }
}

void thin() {
  std::printf("\nLoRA's thin products (r = 16), fp32, GFLOP/s: ours, at::mm\n");
  const int64_t m = 2048, in = 576, out = 3072, r = 32;
  const at::Tensor x = at::randn({m, in}), a = at::randn({r, in}), b = at::randn({out, r}), dy = at::randn({m, out});
  at::Tensor xa = at::zeros({m, r}), y = at::zeros({m, out}), g = at::zeros({m, r}), db = at::zeros({out, r});
  const double narrow = 2e-9 * static_cast<double>(m * in * r), wide = 2e-9 * static_cast<double>(m * out * r);
  const auto line = [](const char* name, double ours, double theirs) {
    std::printf("  %-22s %6.0f   %6.0f\n", name, ours, theirs);
  };
  line("x A'", rate(narrow, [&] { model::thin_project(x, a, xa); }), rate(narrow, [&] { at::mm_out(xa, x, a.t()); }));
  line("y += (x A') B'", rate(wide, [&] { model::thin_expand(xa, b, 2.0, y); }),
       rate(wide, [&] { y.addmm_(xa, b.t(), 1, 2); }));
  line("dy B", rate(wide, [&] { model::thin_contract(dy, b, 2.0, g); }), rate(wide, [&] { at::mm_out(g, dy, b); }));
  line("dB += dy' (x A')", rate(wide, [&] { model::thin_gradient_b(dy, xa, 2.0, db); }),
       rate(wide, [&] { db.addmm_(dy.t(), xa, 1, 2); }));
}

void attention() {
  std::printf(
      "\nattention of one segment (9 heads of 64, 3 groups), fp32, useful GFLOP/s: ours, ATen's flash on the CPU\n");
  model::ModelConfig c;
  c.hidden = 576;
  c.heads = 9;
  c.kv_heads = 3;
  c.head_dim = 64;
  c.layers = 1;
  c.vocab_size = 64;
  c.ffn = 64;
  const auto compute = model::make_compute(c, at::Device(at::kCPU));
  for (const int length : {128, 512, 1024}) {
    std::vector<int> positions(static_cast<size_t>(length));
    for (int i = 0; i < length; ++i)
      positions[static_cast<size_t>(i)] = i;
    const datasets::Segment segment{0, length, 0, 0};
    const auto batch = compute->prepare({.positions = positions, .segments = {&segment, 1}, .targets = {}});
    const at::Tensor qkv = at::randn({length, 960}), d_o = at::randn({length, 576});
    at::Tensor o = at::zeros({length, 576}), lse = at::zeros({9, length}), d_qkv = at::zeros({length, 960});
    model::AttentionWork work{at::zeros({length, 576}), at::zeros({length, 576})};
    const double forward = 4e-9 * 0.5 * length * length * 576;
    const at::Tensor q = at::randn({1, 9, length, 64}), k = at::randn({1, 9, length, 64}),
                     v = at::randn({1, 9, length, 64});
    std::printf("  length %4d   forward %5.0f   %5.0f   backward %5.0f\n", length,
                rate(forward, [&] { compute->attention(*batch, qkv, o, lse); }),
                rate(forward, [&] { at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, true); }),
                rate(2.5 * forward, [&] { compute->attention_backward(*batch, qkv, o, lse, d_o, work, d_qkv); }));
  }
}

void rows() {
  std::printf("\nrow loops at 2048 rows, GB/s, beside a copy\n");
  model::ModelConfig c;
  c.hidden = 576;
  c.ffn = 1536;
  c.heads = 9;
  c.kv_heads = 3;
  c.head_dim = 64;
  c.layers = 1;
  c.vocab_size = 64;
  const auto compute = model::make_compute(c, at::Device(at::kCPU));
  const at::Tensor x = at::randn({2048, 576}), w = at::ones({576}), gate_up = at::randn({2048, 3072});
  at::Tensor y = at::zeros({2048, 576}), rstd = at::zeros({2048}), h = at::zeros({2048, 1536});
  const at::Tensor from = at::randn({1 << 25});
  at::Tensor to = at::empty_like(from);
  std::printf("  RMSNorm %.0f   SwiGLU %.0f   copy %.0f\n",
              rate(4e-9 * 2 * 2048 * 576, [&] { compute->rms_norm(x, w, y, rstd); }),
              rate(4e-9 * 3 * 2048 * 1536, [&] { compute->swiglu(gate_up, h); }),
              rate(8e-9 * (1 << 25), [&] { to.copy_(from); }));
}

}  // namespace

int main() {
  try {
    model::tune_process();
    std::printf("%s, other load %.2f cores, fused multiply-adds at most %.0f GFLOP/s\n",
                bench::machine_line(model::threads()).c_str(), bench::other_load(0.5), bench::fma_peak_gflops());
    products(false);
    products(true);
    thin();
    attention();
    rows();
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
