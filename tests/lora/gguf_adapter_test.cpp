// SPDX-License-Identifier: Apache-2.0
// Adapters as GGUF files: the numbers llama.cpp would compute with, and what is refused.
#include "lora/gguf_adapter.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "lora/delta.h"
#include "model/gguf_names.h"
#include "tests/lora/tiny_adapters.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;

at::Tensor tensor_of(const formats::GgufFile& file, const std::string& name) {
  const auto& tensor = file.at(name);
  at::Tensor out = at::empty(tensor.shape, at::kFloat);
  formats::dequantize(tensor, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  return out;
}

class GgufAdapter : public ::testing::TestWithParam<const char*> {
 protected:
  TempFolder temp_;
};

// alpha / r · B A as llama.cpp computes it must be the delta, in the order of GGUF's rows.
TEST_P(GgufAdapter, LlamaCppsScaleGivesEveryModulesDeltaAndReadingGivesTheLogits) {
  const auto model = model::load_model(llama31());
  const fs::path folder = llama31() / "variants" / GetParam(), path = temp_.path() / "a.gguf";
  const auto adapter = load_peft(folder, model);
  write_gguf_adapter(path, *adapter, model->config(), {"name", "org/base"});
  EXPECT_TRUE(is_gguf_adapter(path));
  {
    const formats::GgufFile file(path);
    EXPECT_EQ(file.string("general.type"), "adapter");
    EXPECT_EQ(file.string("general.architecture"), "llama");
    EXPECT_EQ(file.string("adapter.type"), "lora");
    const double alpha = file.number("adapter.lora.alpha");
    EXPECT_EQ(file.tensors().size(), adapter->slots().size() * 2);
    for (const auto& slot : adapter->slots()) {
      const std::string weight = target_path(slot.layer, slot.module) + ".weight", name = model::gguf_name(weight);
      const at::Tensor a = tensor_of(file, name + ".lora_a"), b = tensor_of(file, name + ".lora_b");
      at::Tensor delta = at::mm(b, a) * (alpha / static_cast<double>(b.size(1)));
      at::Tensor expected = dense_delta(*adapter, slot);
      if (slot.module == Module::q_proj || slot.module == Module::k_proj)
        expected = expected.view({expected.size(0) / 16, 2, 8, -1}).transpose(1, 2).reshape({expected.size(0), -1});
      EXPECT_LT((delta - expected).abs().max().item<float>(), 1e-5F) << name;
    }
  }
  const auto again = load_adapter(path, model);
  expect_logits(logits_of(model, tiny_ids(), again.get()), TinyGolden(folder).tensor("logits"));
  EXPECT_THROW(write_gguf_adapter(path, *adapter, model->config()), Conflict);
}

INSTANTIATE_TEST_SUITE_P(Llama31, GgufAdapter, ::testing::Values("rslora", "patterns", "regex", "all_linear", "layers"),
                         [](const auto& info) { return std::string(info.param); });

TEST(GgufAdapters, OtherTypesKeepTheNumbersAsFarAsTheyCan) {
  const auto model = model::load_model(llama31());
  const auto adapter = load_peft(llama31() / "adapter", model);
  const at::Tensor exact = logits_of(model, tiny_ids(), adapter.get());
  TempFolder temp;
  for (const auto& [type, limit] :
       {std::pair{formats::GgmlType::f16, 0.02}, {formats::GgmlType::bf16, 0.1}, {formats::GgmlType::q8_0, 0.1}}) {
    const fs::path path = temp.path() / (std::to_string(static_cast<int>(type)) + ".gguf");
    write_gguf_adapter(path, *adapter, model->config(), {"", "", type});
    const double error =
        (logits_of(model, tiny_ids(), load_adapter(path, model).get()) - exact).abs().max().item<double>();
    EXPECT_LT(error, limit);
    EXPECT_GT(error, 0);
  }
}

TEST(GgufAdapters, RefusesWhatLlamaCppCannotExpressNamingMerge) {
  const auto model = model::load_model(llama31());
  TempFolder temp;
  for (const char* name : {"dora", "bias", "save_head"}) {
    const auto adapter = load_peft(llama31() / "variants" / name, model);
    const std::string message =
        message_of([&] { write_gguf_adapter(temp.path() / "x.gguf", *adapter, model->config()); });
    EXPECT_NE(message.find("merge"), std::string::npos) << name << ": " << message;
    EXPECT_TRUE(fs::is_empty(temp.path()));
  }
}

TEST(GgufAdapters, RefusesBrokenFiles) {
  const auto model = model::load_model(llama31());
  TempFolder temp;
  int count = 0;
  const auto refusal = [&](const std::function<void(formats::GgufWriter&)>& keys,
                           const std::vector<std::pair<std::string, std::vector<int64_t>>>& tensors, float value) {
    const fs::path path = temp.path() / cat(count++, ".gguf");
    formats::GgufWriter writer(path);
    writer.set_string("general.architecture", "llama");
    writer.set_string("general.type", "adapter");
    writer.set_string("adapter.type", "lora");
    writer.set_f32("adapter.lora.alpha", 8);
    keys(writer);
    for (const auto& [name, shape] : tensors)
      writer.add_tensor({name, formats::GgmlType::f32, shape});
    writer.begin_data();
    for (const auto& [name, shape] : tensors) {
      const std::vector<float> values(static_cast<size_t>(shape[0] * shape[1]), value);
      writer.write(name, std::as_bytes(std::span(values)));
    }
    writer.finish();
    try {
      read_gguf_adapter(path, model->config());
    } catch (const ModelError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto nothing = [](formats::GgufWriter&) {};
  const std::string q = "blk.0.attn_q.weight";
  const std::vector<std::pair<std::string, std::vector<int64_t>>> good = {{q + ".lora_a", {4, 64}},
                                                                          {q + ".lora_b", {64, 4}}};
  EXPECT_EQ(refusal(nothing, good, 1), "accepted");
  const auto expect = [&](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(refusal([](auto& w) { w.set_string("general.type", "model"); }, good, 1), "general.type");
  expect(refusal([](auto& w) { w.set_string("general.architecture", "qwen2"); }, good, 1), "architecture");
  expect(refusal([](auto& w) { w.remove("adapter.lora.alpha"); }, good, 1), "adapter.lora.alpha");
  expect(refusal([](auto& w) { w.set_f32("adapter.lora.alpha", -1); }, good, 1), "lora_alpha");
  expect(refusal(nothing, {good[0]}, 1), "both halves");
  expect(refusal(nothing, {good[0], {q + ".lora_b", {64, 8}}}, 1), "shapes");
  expect(refusal(nothing, {{q + ".lora_a", {4, 32}}, good[1]}, 1), "shapes");
  expect(refusal(nothing, {{q, {4, 64}}}, 1), ".lora_a");
  expect(refusal(nothing, {{"blk.7.attn_q.weight.lora_a", {4, 64}}, {"blk.7.attn_q.weight.lora_b", {64, 4}}}, 1),
         "linear layers");
  expect(refusal(nothing, good, std::nanf("")), "finite");
}

}  // namespace
}  // namespace afina::lora
