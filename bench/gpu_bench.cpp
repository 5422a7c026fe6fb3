// SPDX-License-Identifier: Apache-2.0
// Rows G0 to G6 on one GPU: rates of its primitives, then training steps of 8B and 70B decoders, LoRA r=16 on seven
// projections, with gradient norm and AdamW. Random data, never zeros. Peers are measured by their own tools.
#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "bench/gpu_lora.h"
#include "bench/gpu_models.h"
#include "formats/nf4.h"
#include "model/cuda/attention.h"
#include "model/cuda/frozen_cuda.h"
#include "model/kernels/cuda/kernels.h"
#include "model/training_model.h"

namespace {

using namespace afina;
using model::CudaStorage;

const at::Device kGpu(at::kCUDA, 0);

double seconds_of(int repeats, const std::function<void()>& work) {
  for (int i = 0; i < 3; ++i)
    work();
  c10::cuda::device_synchronize();
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    c10::cuda::device_synchronize();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return bench::spread(times).median;
}

double peak_gigabytes() {
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(0);
  return static_cast<double>(stats.allocated_bytes[0].peak) / 1e9;
}

void line(const char* row, const std::string& what, const std::string& result) {
  std::printf("| %s | %s | %s |\n", row, what.c_str(), result.c_str());
  std::fflush(stdout);
}

std::string number(double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.1f %s", value, unit);
  return text;
}

// --- G0 ------------------------------------------------------------------------------------------------------------

void primitives() {
  const auto bf16 = at::TensorOptions().dtype(at::kBFloat16).device(kGpu);
  {
    const at::Tensor a = at::randn({8192, 8192}, bf16), b = at::randn({8192, 8192}, bf16);
    at::Tensor c = at::empty({8192, 8192}, bf16.dtype(at::kFloat));
    const double s = seconds_of(20, [&] { at::mm_out(c, a, b, at::kFloat); });
    line("G0", "8192^3 bf16 product, fp32 result", number(2 * 8192.0 * 8192 * 8192 / s / 1e12, "TF/s"));
  }
  {
    const at::Tensor a = at::randn({int64_t{1} << 30}, bf16);
    at::Tensor b = at::empty_like(a);
    const double s = seconds_of(20, [&] { b.copy_(a); });
    line("G0", "copy of 2 GiB, read and write", number(2.0 * static_cast<double>(a.nbytes()) / s / 1e9, "GB/s"));
  }
  const model::ModelConfig c = bench::llama_8b();
  std::vector<datasets::Segment> segments;
  for (int i = 0; i < 4; ++i)
    segments.push_back({i * 2048, 2048, 0, 0});
  const auto plan = model::cuda::plan_attention(segments, kGpu);
  const auto f32 = bf16.dtype(at::kFloat);
  const at::Tensor qkv = at::randn({8192, c.qkv_width()}, f32), d_o = at::randn({8192, c.q_width()}, f32);
  at::Tensor o = at::empty_like(d_o), lse = at::empty({c.heads, 8192}, f32), d_qkv = at::empty_like(qkv);
  const auto flash = model::cuda::AttentionWay::flash_bf16;
  const double flops = 2.0 * 2 * 4 * 2048 * 2048 / 2 * static_cast<double>(c.q_width());
  const double forward = seconds_of(20, [&] { model::cuda::attention_forward(plan, c, flash, qkv, o, lse); });
  const double backward =
      seconds_of(20, [&] { model::cuda::attention_backward(plan, c, flash, qkv, o, lse, d_o, d_qkv); });
  line("G0", "attention 4x2048, 32/8 heads, forward, conversions included", number(flops / forward / 1e12, "TF/s"));
  line("G0", "the same, backward", number(2.5 * flops / backward / 1e12, "TF/s"));
}

template <typename Values>
at::Tensor uploaded(const Values& values) {
  return at::tensor(at::ArrayRef<float>(values.data(), values.size())).to(kGpu);
}

void dequantise() {
  const int64_t n = int64_t{4096} * 28672;
  const auto bytes = at::TensorOptions().dtype(at::kByte).device(kGpu);
  const at::Tensor packed = at::randint(0, 256, {n / 2}, bytes), codes = at::randint(0, 256, {n / 64}, bytes);
  const at::Tensor nested = at::rand({n / 64 / 256}, bytes.dtype(at::kFloat));
  const at::Tensor code = uploaded(formats::nf4_code()), map = uploaded(formats::nf4_dynamic_map());
  at::Tensor out = at::empty({n}, bytes.dtype(at::kBFloat16));
  model::cuda::Nf4Part part;
  part.packed = packed.const_data_ptr<uint8_t>();
  part.elements = n;
  part.code = code.const_data_ptr<float>();
  part.absmax_codes = codes.const_data_ptr<uint8_t>();
  part.nested_code = map.const_data_ptr<float>();
  part.nested_absmax = nested.const_data_ptr<float>();
  part.round = model::cuda::Nf4Round::bfloat16;
  const double s = seconds_of(20, [&] {
    model::cuda::nf4_dequantize(part, reinterpret_cast<model::cuda::Bf16*>(out.data_ptr()),
                                c10::cuda::getCurrentCUDAStream().stream());
  });
  line("G0", "NF4 to bf16, double quantisation, bytes read and written",
       number(static_cast<double>(n) * (2 + 0.5 + 1.0 / 64) / s / 1e9, "GB/s"));
}

// --- G1 to G6 ------------------------------------------------------------------------------------------------------

struct Ids {
  std::mt19937 random{1};
  std::vector<int> operator()(int n) {
    std::vector<int> ids(static_cast<size_t>(n));
    for (int& id : ids)
      id = static_cast<int>(random() % 128000);
    return ids;
  }
};

/// A segment whose own tokens are targets from the second on (after a prefix: all of them).
void add_text(datasets::PackedBatch& batch, const std::vector<int>& ids, int prefix_begin, int prefix_length,
              bool trained) {
  const int begin = static_cast<int>(batch.rows()), length = static_cast<int>(ids.size());
  batch.segments.push_back({begin, length, prefix_begin, prefix_length});
  for (int i = 0; i < length; ++i)
    batch.positions.push_back(prefix_length + i);
  batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
  if (!trained) return;
  const int sequence = static_cast<int>(batch.sequences.size()), first = static_cast<int>(batch.targets.size());
  for (int i = prefix_length > 0 ? 0 : 1; i < length; ++i)
    batch.targets.push_back(
        {i == 0 ? prefix_begin + prefix_length - 1 : begin + i - 1, ids[static_cast<size_t>(i)], sequence, 1.0F});
  batch.sequences.push_back({sequence, 0, first, static_cast<int>(batch.targets.size()) - first});
  batch.examples.push_back({sequence, sequence, 1});
}

datasets::PackedBatch texts(int n, int length) {
  Ids ids;
  datasets::PackedBatch batch;
  for (int i = 0; i < n; ++i)
    add_text(batch, ids(length), 0, 0, true);
  return batch;
}

datasets::PackedBatch pairs(int n, int prompt, int answer) {
  Ids ids;
  datasets::PackedBatch batch;
  for (int i = 0; i < n; ++i) {
    const int begin = static_cast<int>(batch.rows());
    add_text(batch, ids(prompt), 0, 0, false);
    for (int side = 0; side < 2; ++side)
      add_text(batch, ids(answer), begin, prompt, true);
  }
  return batch;
}

/// Log-normal lengths, mean 180, at most 1024.
datasets::PackedBatch mixed(int64_t rows) {
  Ids ids;
  std::mt19937 random(3);
  std::lognormal_distribution<double> length(4.95, 0.7);
  datasets::PackedBatch batch;
  while (batch.rows() < rows)
    add_text(batch, ids(static_cast<int>(std::clamp(length(random), 8.0, 1024.0))), 0, 0, true);
  return batch;
}

class Trainer {
 public:
  explicit Trainer(std::shared_ptr<const model::Model> model)
      : adapter_(model->config(), 16, kGpu), training_(std::move(model), options()) {
    gradient_P_ = at::zeros_like(adapter_.flat_P);
    moment1_P_ = at::zeros_like(gradient_P_);
    moment2_P_ = at::zeros_like(gradient_P_);
    partial_ = at::empty({model::cuda::norm_blocks(gradient_P_.numel())}, gradient_P_.options().dtype(at::kDouble));
  }

  void step(const datasets::PackedBatch& batch) {
    gradient_P_.zero_();
    training_.forward(batch, adapter_, {});
    const std::vector<double> d(batch.targets.size(), -1.0 / static_cast<double>(batch.targets.size()));
    training_.backward(batch, adapter_, {}, d, gradient_P_);
    const auto stream = c10::cuda::getCurrentCUDAStream().stream();
    model::cuda::sum_squares(gradient_P_.const_data_ptr<float>(), partial_.data_ptr<double>(), gradient_P_.numel(),
                             stream);
    norm_ = std::sqrt(partial_.sum().item<double>());
    model::cuda::AdamWStep adamw;
    adamw.weight1 = 0.1F, adamw.beta2 = 0.999F, adamw.weight2 = 0.001F, adamw.epsilon = 1e-8F;
    adamw.minus_rate = -1e-4F, adamw.clip = static_cast<float>(std::min(1.0, 1.0 / (norm_ + 1e-6)));
    model::cuda::adamw(adapter_.flat_P.data_ptr<float>(), gradient_P_.const_data_ptr<float>(),
                       moment1_P_.data_ptr<float>(), moment2_P_.data_ptr<float>(), gradient_P_.numel(), adamw, stream);
  }
  double norm() const { return norm_; }

 private:
  static model::TrainingModelOptions options() {
    model::TrainingModelOptions out;
    out.head_chunk_rows = 2048;
    return out;
  }

  bench::GpuLora adapter_;
  model::TrainingModel training_;
  at::Tensor gradient_P_, moment1_P_, moment2_P_, partial_;
  double norm_ = 0;
};

void measure(const char* row, const std::string& what, Trainer& trainer, const datasets::PackedBatch& batch,
             int pair_count = 0) {
  try {
    const double s = seconds_of(10, [&] { trainer.step(batch); });
    const double tokens = static_cast<double>(batch.rows());
    line(row, what,
         number(tokens / s, "tokens/s") + (pair_count > 0 ? ", " + number(pair_count / s, "pairs/s") : "") + ", peak " +
             number(peak_gigabytes(), "GB") + ", gradient norm " + number(1e6 * trainer.norm(), "e-6"));
  } catch (const c10::OutOfMemoryError&) {
    line(row, what, "out of memory");
  }
}

void sft(const char* row, const model::ModelConfig& config, CudaStorage storage, const std::string& name,
         const std::vector<int>& texts_each) {
  Trainer trainer(bench::gpu_model(config, storage, kGpu));
  for (const int n : texts_each)
    measure(row, cat(name, ", ", n, " x 2048 tokens"), trainer, texts(n, 2048));
}

void most_tokens() {
  const auto model = bench::gpu_model(bench::llama_8b(), CudaStorage::bf16, kGpu);
  int64_t most = 0;
  for (int n = 1; n <= 64; ++n) {
    try {
      Trainer trainer(model);
      trainer.step(texts(n, 2048));
      most = n * 2048;
    } catch (const c10::OutOfMemoryError&) {
      break;
    }
    c10::cuda::CUDACachingAllocator::emptyCache();
  }
  line("G6", "8B bf16, most tokens of a micro-batch before out of memory", cat(most));
}

int run(const std::set<std::string>& wanted) {
  if (c10::cuda::device_count() == 0)
    throw UsageError("[bench.gpu] must run on a machine with an NVIDIA GPU, but none answers.");
  const auto want = [&](const char* row) { return wanted.empty() || wanted.count(row) > 0; };
  std::printf("| row | work | measured |\n|---|---|---|\n");
  if (want("G0")) primitives(), dequantise();
  if (want("G1")) sft("G1", bench::llama_8b(), CudaStorage::bf16, "8B bf16 LoRA", {1, 4, 8});
  if (want("G2")) sft("G2", bench::llama_8b(), CudaStorage::nf4, "8B NF4 QLoRA", {1, 4, 8});
  if (want("G3")) sft("G3", bench::llama_70b(), CudaStorage::nf4, "70B NF4 QLoRA", {1, 2});
  if (want("G4")) {
    Trainer trainer(bench::gpu_model(bench::llama_8b(), CudaStorage::bf16, kGpu));
    measure("G4", "8B DPO, 8 pairs, prompt 512, answers 256, reference cached", trainer, pairs(8, 512, 256), 8);
  }
  if (want("G5")) {
    Trainer trainer(bench::gpu_model(bench::llama_8b(), CudaStorage::bf16, kGpu));
    measure("G5", "8B bf16 LoRA, length mix, packed to 8192", trainer, mixed(8192));
  }
  if (want("G6")) most_tokens();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    return report_exception(error);
  }
}
