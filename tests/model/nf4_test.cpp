// SPDX-License-Identifier: Apache-2.0
// NF4 storage: products against the dequantised weights, folders that bitsandbytes wrote, models quantised while
// loading, and QLoRA's gradient.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "formats/safetensors_set.h"
#include "model/frozen_nf4.h"
#include "model/training_model.h"
#include "tests/model/peft_adapter.h"
#include "tests/model/tiny_golden.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;

formats::Nf4Tensor quantised(const at::Tensor& w, int64_t block, const std::string& dtype, bool twice) {
  auto tensor =
      formats::nf4_quantize({w.const_data_ptr<float>(), static_cast<size_t>(w.numel())}, w.sizes().vec(), block, dtype);
  return twice ? formats::nf4_double_quantize(std::move(tensor)) : tensor;
}

at::Tensor dequantised(const formats::Nf4Tensor& tensor) {
  at::Tensor w = at::empty(tensor.shape, at::kFloat);
  formats::nf4_dequantize(tensor.view(), 0, {w.data_ptr<float>(), static_cast<size_t>(w.numel())});
  return w;
}

TEST(FrozenNf4, EqualsTheDequantisedWeightForwardBackwardAndInLookUps) {
  at::manual_seed(4);
  struct Case {
    int64_t rows1, rows2, in, block;
    const char* dtype;
    bool twice;
  };
  for (const Case& c : {Case{40, 35, 50, 64, "float32", false}, Case{96, 32, 128, 64, "bfloat16", true},
                        Case{1, 2, 33, 32, "float16", false}, Case{300, 7, 260, 4096, "float32", true}}) {
    const auto part1 = quantised(at::randn({c.rows1, c.in}), c.block, c.dtype, c.twice);
    const auto part2 = quantised(at::randn({c.rows2, c.in}), c.block, c.dtype, c.twice);
    const at::Tensor w = at::cat({dequantised(part1), dequantised(part2)});
    const int64_t out = w.size(0), n = 37;
    const auto nf4 = make_frozen_nf4({part1, part2}), plain = make_frozen_f32(w, GemmBackend::aten);
    EXPECT_EQ(nf4->out_features(), out);
    at::Tensor all = at::empty({out, c.in});
    nf4->dequantize_rows(0, all);
    EXPECT_TRUE(at::equal(all, w)) << c.in;
    const at::Tensor x = at::randn({n, c.in}), dy = at::randn({n, out});
    for (const float beta : {0.0F, 1.0F}) {
      at::Tensor y1 = at::ones({n, out}), y2 = at::ones({n, out}), dx1 = at::ones({n, c.in}), dx2 = at::ones({n, c.in});
      nf4->forward(x, y1, beta);
      plain->forward(x, y2, beta);
      EXPECT_TRUE(at::allclose(y1, y2, 1e-5, 1e-4)) << c.in;
      nf4->backward_input(dy, dx1, beta);
      plain->backward_input(dy, dx2, beta);
      EXPECT_TRUE(at::allclose(dx1, dx2, 1e-5, 1e-4)) << c.in;
      at::Tensor one = at::ones({1, out});
      nf4->forward(x.narrow(0, 5, 1), one, beta);
      EXPECT_TRUE(at::equal(one, y1.narrow(0, 5, 1))) << "a row depends on its batch mates";
    }
    EXPECT_THROW(nf4->gather_rows(std::vector<int>(static_cast<size_t>(out), -1), all), InternalError);
  }
}

class BnbFolder : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path folder() const { return golden_path(cat("tiny/llama31/", GetParam())); }
  std::vector<int> ids() const { return TinyGolden(golden_path("tiny/llama31")).ids(); }
  /// The folder with its weights dequantised to fp32.
  fs::path plain_folder() {
    const auto model = load_model(folder());
    const formats::SafetensorsFile file(folder() / "model.safetensors");
    const formats::SafetensorsFile full(golden_path("tiny/llama31/model.safetensors"));
    std::vector<at::Tensor> values;
    std::vector<formats::TensorView> out;
    for (const auto& tensor : full.tensors()) {
      const auto& stored = file.at(tensor.name);
      at::Tensor w = at::empty(tensor.shape, at::kFloat);
      const std::span<float> span(w.data_ptr<float>(), static_cast<size_t>(w.numel()));
      if (stored.dtype == formats::DType::u8) {
        const formats::SafetensorsSet set(folder());
        formats::nf4_dequantize(*formats::find_nf4(set, tensor.name), 0, span);
      } else {
        formats::copy_to_float(stored, span);
      }
      values.push_back(w);
      out.push_back({tensor.name, formats::DType::f32, tensor.shape, std::as_bytes(span)});
    }
    formats::write_safetensors(temp_.path() / "model.safetensors", out);
    Json config = parse_json(read_file(folder() / "config.json"), "config.json");
    config.erase("quantization_config");
    write_file_atomic(temp_.path() / "config.json", dump_json(config));
    return temp_.path();
  }
  TempFolder temp_;
};

TEST_P(BnbFolder, LogitsEqualThePeers) {
  // Made with bitsandbytes' fused kernel for CPUs, which computes in bfloat16: with the same arithmetic ours are equal,
  // in fp32 they differ by bfloat16's errors.
  LoadOptions options;
  options.nf4_arithmetic = Nf4Arithmetic::bitsandbytes_cpu;
  TrainingModel theirs(load_model(folder(), options)), fp32(load_model(folder()));
  const at::Tensor want = TinyGolden(folder()).tensor("logits");
  const auto rows = TinyGolden::all_rows(ids());
  expect_logits(theirs.logits(whole_text(ids()), rows, nullptr), want, 1e-3);
  const at::Tensor error = fp32.logits(whole_text(ids()), rows, nullptr) - want;
  EXPECT_LT(error.square().mean().sqrt().item<double>(), 0.02);
}

TEST_P(BnbFolder, QuantisingWhileLoadingGivesTheSameNumbersInAFractionOfTheMemory) {
  LoadOptions options;
  options.base_storage = std::string(GetParam()) == "nf4" ? BaseStorage::nf4 : BaseStorage::nf4_double;
  const auto made = load_model(golden_path("tiny/llama31"), options), read = load_model(folder());
  for (int64_t l = 0; l < 2; ++l)
    for (const Site site : {Site::qkv, Site::o, Site::gate_up, Site::down}) {
      const FrozenLinear &a = made->linear(l, site), &b = read->linear(l, site);
      at::Tensor wa = at::empty({a.out_features(), a.in_features()}), wb = at::empty_like(wa);
      a.dequantize_rows(0, wa);
      b.dequantize_rows(0, wb);
      EXPECT_LE((wa - wb).abs().max().item<float>(), 1e-7F);
      EXPECT_LT(a.bytes() * 7, wa.numel() * 4);
    }
  const auto plain = load_model(golden_path("tiny/llama31"));
  EXPECT_NE(made->identity(), plain->identity());
  EXPECT_LT(made->weight_bytes(), plain->weight_bytes());
}

TEST_P(BnbFolder, TheGradientOfQLoraIsThatOverTheDequantisedWeights) {
  const auto nf4 = load_model(folder()), plain = load_model(plain_folder());
  const auto batch = TinyGolden(golden_path("tiny/llama31")).batch();
  std::vector<at::Tensor> grads;
  for (const auto& model : {nf4, plain}) {
    const PeftAdapter adapter(golden_path("tiny/llama31/adapter"), *model);
    TrainingModel training(model);
    const auto n = training.forward(batch, adapter, {}).logp.size();
    grads.push_back(at::zeros_like(adapter.flat_P));
    training.backward(batch, adapter, {}, std::vector<double>(n, -1.0 / static_cast<double>(n)), grads.back());
  }
  EXPECT_GT(grads[1].norm().item<double>(), 0.1);
  EXPECT_LE((grads[0] - grads[1]).norm().item<double>(), 1e-5 * grads[1].norm().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Golden, BnbFolder, ::testing::Values("nf4", "nf4_dq"));

TEST(QLora, LossesAndGradientOfTheRealSmallModelEqualThePeers) {
  const Json sft = parse_json(read_file(golden_path("smollm2/sft.json")), "sft.json");
  const Json golden = parse_json(read_file(golden_path("smollm2/nf4.json")), "nf4.json")["tensors"]["model"];
  datasets::PackedBatch batch;
  for (const Json& row : sft["rows"]) {
    const auto ids = row["input_ids"].get<std::vector<int>>(), labels = row["labels"].get<std::vector<int>>();
    const int begin = batch.segments.empty() ? 0 : static_cast<int>(batch.rows());
    add_segment(batch, ids);
    std::vector<int> rows, tokens;
    for (size_t i = 1; i < labels.size(); ++i)
      if (labels[i] >= 0) rows.push_back(begin + static_cast<int>(i) - 1), tokens.push_back(labels[i]);
    add_targets(batch, rows, tokens);
  }
  const auto mean_loss = [](const TokenStats& stats) {
    return -std::accumulate(stats.logp.begin(), stats.logp.end(), 0.0) / static_cast<double>(stats.logp.size());
  };
  for (const bool twice : {false, true}) {
    const Json& want = golden[twice ? "dq=True" : "dq=False"];
    const auto model =
        load_model(smollm2_gguf(), {GemmBackend::packed, twice ? BaseStorage::nf4_double : BaseStorage::nf4});
    const PeftAdapter adapter(golden_path("smollm2/adapter"), *model);
    TrainingModel training(model);
    EXPECT_NEAR(mean_loss(training.evaluate(batch, nullptr)), want["sft_loss_base"].get<double>(), 5e-5);
    const auto stats = training.forward(batch, adapter, {});
    EXPECT_NEAR(mean_loss(stats), want["sft_loss_adapter"].get<double>(), 5e-5);
    at::Tensor grad = at::zeros_like(adapter.flat_P);
    const auto n = stats.logp.size();
    training.backward(batch, adapter, {}, std::vector<double>(n, -1.0 / static_cast<double>(n)), grad);
    EXPECT_NEAR(grad.norm().item<double>() / want["grad_total_norm"].get<double>(), 1.0, 3e-4);  // summed in fp32 there
  }
}

}  // namespace
}  // namespace afina::model
