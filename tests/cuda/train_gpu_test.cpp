// SPDX-License-Identifier: Apache-2.0
// A whole training run on a GPU against the CPU's: the same losses in fp32, and a repeated run is the same bits. Needs
// a GPU (label gpu).
#include <gtest/gtest.h>

#include <fstream>

#include "finetune/train_job.h"
#include "formats/jsonl.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune {
namespace {

std::vector<double> losses(RunKind kind, DeviceType device, ComputeType dtype) {
  const TempFolder folder;
  {
    std::ofstream out(folder.path() / "rows.jsonl");
    for (int row = 0; row < 16; ++row) {
      Json ids = Json::array(), other = Json::array();
      for (int i = 0; i < 12; ++i) {
        ids.push_back(3 + (7 * row + 5 * i) % 90);
        other.push_back(3 + (11 * row + 3 * i) % 90);
      }
      const Json line = kind == RunKind::sft
                            ? Json{{"input_ids", ids}, {"labels", ids}}
                            : Json{{"prompt_ids", {4, 5, 6}}, {"chosen_ids", ids}, {"rejected_ids", other}};
      out << line.dump() << "\n";
    }
  }
  TrainRequest request;
  request.kind = kind;
  request.config = default_config(kind);
  request.config.device = device;
  request.config.dtype = dtype;
  request.config.loss_sum = LossSum::float64;
  request.config.max_steps = 8;
  request.config.per_device_train_batch_size = 2;
  request.config.gradient_accumulation_steps = 2;
  request.config.lora_dropout = 0.1;
  request.config.target_modules = {"all-linear"};
  request.model = golden_path("tiny/llama31");
  request.rows = file_source(kind, folder.path() / "rows.jsonl");
  request.out = folder.path() / "run";
  TrainJob(std::move(request)).run({});
  std::vector<double> found;
  formats::JsonlReader reader(folder.path() / "run/metrics.jsonl");
  while (const auto line = reader.next())
    found.push_back(line->at("loss").get<double>());
  return found;
}

TEST(TrainOnGpu, HasTheCpusLossesInFp32) {
  for (const RunKind kind : {RunKind::sft, RunKind::dpo}) {
    const auto host = losses(kind, DeviceType::cpu, ComputeType::float32);
    const auto gpu = losses(kind, DeviceType::cuda, ComputeType::float32);
    ASSERT_EQ(gpu.size(), host.size());
    for (size_t i = 0; i < host.size(); ++i)
      EXPECT_NEAR(gpu[i], host[i], 1e-4 * host[i]) << to_string(kind) << " step " << i + 1;
  }
}

TEST(TrainOnGpu, ARepeatedRunIsTheSameBits) {
  EXPECT_EQ(losses(RunKind::dpo, DeviceType::cuda, ComputeType::bfloat16),
            losses(RunKind::dpo, DeviceType::cuda, ComputeType::bfloat16));
}

}  // namespace
}  // namespace afina::finetune
