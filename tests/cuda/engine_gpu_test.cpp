// SPDX-License-Identifier: Apache-2.0
// The whole engine on a GPU against the CPU's: log-probabilities and gradients of a small decoder, with prefixes, head
// norms, biases and every storage. Needs a GPU (label gpu).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/cuda/place.h"
#include "model/training_model.h"
#include "tests/model/batches.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {
namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = 131;
  c.hidden = 64;
  c.ffn = 96;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 32;
  c.tied_head = true;
  c.qk_norm = true;
  c.qkv_bias = true;
  return c;
}

/// A prompt with two answers, and a text by itself.
datasets::PackedBatch batch_of(const ModelConfig& c) {
  const int vocab = static_cast<int>(c.vocab_size);
  datasets::PackedBatch batch;
  add_segment(batch, random_ids(9, vocab, 1));
  for (const unsigned seed : {2U, 3U}) {
    const auto answer = random_ids(6, vocab, seed);
    add_segment(batch, answer, 0);
    const int begin = batch.segments.back().begin;
    add_targets(batch, {8, begin, begin + 1, begin + 2, begin + 3, begin + 4}, answer);
  }
  const auto text = random_ids(17, vocab, 4);
  add_segment(batch, text);
  add_targets(batch, {batch.segments.back().begin + 3}, {text[4]});
  return batch;
}

struct Result {
  TokenStats stats;
  at::Tensor gradient;
};

Result run(std::shared_ptr<const Model> model, at::Device device) {
  TrainingModelOptions options;
  options.want_entropy = options.want_sum_p2 = true;
  options.neftune_alpha = 5;
  const auto& c = model->config();
  ToyAdapter adapter(c, 4, ToyAdapter::everywhere(c), 3);
  adapter.flat_P = adapter.flat_P.to(device);
  const auto batch = batch_of(c);
  TrainingModel training(std::move(model), options);
  const DropoutKey key{.enabled = true, .seed = 1, .step = 2, .micro_batch = 0};
  Result out{training.forward(batch, adapter, key), at::zeros_like(adapter.flat_P)};
  std::vector<double> d(batch.targets.size());
  for (size_t i = 0; i < d.size(); ++i)
    d[i] = 0.3 - 0.1 * static_cast<double>(i % 5);
  training.backward(batch, adapter, key, d, out.gradient);
  out.gradient = out.gradient.cpu();
  return out;
}

void expect_close(const Result& got, const Result& want, double nats, double cosine) {
  ASSERT_EQ(got.stats.logp.size(), want.stats.logp.size());
  for (size_t i = 0; i < want.stats.logp.size(); ++i) {
    EXPECT_NEAR(got.stats.logp[i], want.stats.logp[i], nats) << i;
    EXPECT_NEAR(got.stats.entropy[i], want.stats.entropy[i], nats) << i;
    EXPECT_NEAR(got.stats.log_sum_p2[i], want.stats.log_sum_p2[i], 2 * nats) << i;
  }
  EXPECT_GT(at::cosine_similarity(got.gradient, want.gradient, 0).item<double>(), cosine);
}

class EngineOnGpu : public ::testing::Test {
 protected:
  std::shared_ptr<const Model> host(BaseStorage storage = BaseStorage::as_stored) const {
    LoadOptions options;
    options.base_storage = storage;
    return random_model(small_config(), 7, options);
  }
  at::Device gpu{at::kCUDA, 0};
  void TearDown() override { at::globalContext().setSDPUseFlash(true); }
};

TEST_F(EngineOnGpu, EqualsTheCpuInFp32) {
  at::globalContext().setSDPUseFlash(false);
  expect_close(run(to_cuda(*host(), gpu, CudaStorage::f32), gpu), run(host(), at::kCPU), 1e-5, 0.99999);
}

TEST_F(EngineOnGpu, StaysNearTheCpuInBf16WithFlashAttention) {
  expect_close(run(to_cuda(*host(), gpu, CudaStorage::bf16), gpu), run(host(), at::kCPU), 0.1, 0.99);
}

TEST_F(EngineOnGpu, FlashAttentionSeesThePrefixWholeAndItsOwnPast) {
  // Everything but attention is the same: only roundings to bf16 may differ.
  const auto model = to_cuda(*host(), gpu, CudaStorage::f32);
  const Result flash = run(model, gpu);
  at::globalContext().setSDPUseFlash(false);
  expect_close(flash, run(model, gpu), 0.05, 0.999);
}

TEST_F(EngineOnGpu, TakesNf4AndDequantisesAhead) {
  const auto quantised = host(BaseStorage::nf4_double);
  expect_close(run(to_cuda(*quantised, gpu, CudaStorage::nf4), gpu), run(quantised, at::kCPU), 0.1, 0.99);
}

TEST_F(EngineOnGpu, RepeatsItsBits) {
  const auto model = to_cuda(*host(), gpu, CudaStorage::bf16);
  const Result first = run(model, gpu), again = run(model, gpu);
  EXPECT_EQ(first.stats.logp, again.stats.logp);
  EXPECT_TRUE(at::equal(first.gradient, again.gradient));
}

}  // namespace
}  // namespace afina::model
