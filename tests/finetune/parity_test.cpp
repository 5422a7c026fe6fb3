// SPDX-License-Identifier: Apache-2.0
// The train loop over the real decoder against transformers, PEFT and TRL: the ten-step series, gradients and final
// tensors of tests/golden/smollm2/{sft,dpo}.json, within the tolerances of its README.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "dpo/sft_loss.h"
#include "finetune/train_job.h"
#include "formats/safetensors.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

Json golden(const std::string& name) {
  return parse_json(read_file(golden_path("smollm2/" + name)), name);
}

/// Rows without the padding that the peers had to add.
SourceRows sft_rows(const Json& file) {
  std::vector<datasets::SftRow> rows;
  for (const auto& row : file["rows"]) {
    datasets::TokenForm form{row["input_ids"].get<std::vector<int>>(), row["labels"].get<std::vector<int>>()};
    while (form.labels.back() == -100) {
      form.labels.pop_back();
      form.input_ids.pop_back();
    }
    rows.push_back({form, cat("sft.json:", rows.size()), {}});
  }
  return rows;
}

SourceRows dpo_rows(const Json& file) {
  std::vector<datasets::PairRow> rows;
  for (const auto& row : file["rows"]) {
    datasets::PairRow pair;
    pair.form =
        datasets::PairTokens{row["prompt_ids"].get<std::vector<int>>(), row["chosen_ids"].get<std::vector<int>>(),
                             row["rejected_ids"].get<std::vector<int>>()};
    pair.where = cat("dpo.json:", rows.size());
    rows.push_back(std::move(pair));
  }
  return rows;
}

TrainRequest golden_request(RunKind kind, const Json& file, SchedulerType schedule, const fs::path& out) {
  const Json& optimiser = file["optimizer"];
  TrainRequest request;
  request.kind = kind;
  request.model = smollm2_gguf();
  request.start_adapter = golden_path("smollm2/adapter");
  const auto rows = std::make_shared<const SourceRows>(kind == RunKind::sft ? SourceRows(sft_rows(file))
                                                                            : SourceRows(dpo_rows(file)));
  request.rows = list_source(*rows, "");
  request.rows.open = [rows, open = request.rows.open] { return open(); };
  request.held_out = {{"eval_", request.rows}};
  request.source = "golden";
  request.out = out;
  request.run_id = "golden";
  RunConfig& config = request.config;
  config = default_config(kind);
  config.learning_rate = optimiser["lr"];
  config.weight_decay = optimiser["weight_decay"];
  config.max_grad_norm = optimiser["max_grad_norm"];
  config.warmup_steps = optimiser["warmup_steps"];
  config.max_steps = optimiser["total_steps"];
  config.lr_scheduler_type = schedule;
  config.per_device_train_batch_size = 4;
  config.shuffle = false;
  if (kind == RunKind::dpo) config.reference = ReferencePolicy::base;
  config.save_steps = 0;
  return request;
}

std::vector<Json> metrics_of(const fs::path& out) {
  std::vector<Json> lines;
  std::ifstream file(out / "metrics.jsonl");
  for (std::string line; std::getline(file, line);)
    lines.push_back(parse_json(line, "metrics.jsonl"));
  return lines;
}

std::vector<float> values_of(const formats::TensorView& view) {
  std::vector<float> out(static_cast<size_t>(view.elements()));
  formats::copy_to_float(view, out);
  return out;
}

double l2(const std::vector<float>& values) {
  double sum = 0;
  for (const double x : values)
    sum += x * x;
  return std::sqrt(sum);
}

double relative_l2(const std::vector<float>& ours, const std::vector<float>& theirs) {
  std::vector<float> difference(ours.size());
  for (size_t i = 0; i < ours.size(); ++i)
    difference[i] = ours[i] - theirs[i];
  return l2(difference) / l2(theirs);
}

void expect_series(const std::vector<Json>& ours, const Json& theirs, double loss_tolerance, double norm_tolerance) {
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_NEAR(ours[i]["loss"].get<double>(), theirs[i]["loss"].get<double>(), loss_tolerance) << "step " << i + 1;
    const double norm = theirs[i]["grad_norm"];
    EXPECT_NEAR(ours[i]["grad_norm"].get<double>(), norm, norm_tolerance * norm) << "step " << i + 1;
    EXPECT_NEAR(ours[i]["learning_rate"].get<double>(), theirs[i]["lr"].get<double>(), 1e-12) << "step " << i + 1;
  }
}

/// final_l2 of all 420 tensors, and the ten tensors that the golden file holds under the prefix (empty: none of them).
void expect_final(const fs::path& adapter, const Json& final_l2, const fs::path& tensors, const std::string& prefix) {
  const formats::SafetensorsFile ours(adapter / "adapter_model.safetensors"), theirs(tensors);
  for (const auto& [name, norm] : final_l2.items()) {
    EXPECT_NEAR(l2(values_of(ours.at(name))), norm.get<double>(), 1e-4 * norm.get<double>()) << name;
  }
  int compared = 0;
  for (const auto& view : theirs.tensors()) {
    if (prefix.empty() || view.name.rfind(prefix, 0) != 0) continue;
    EXPECT_LT(relative_l2(values_of(ours.at(view.name.substr(prefix.size()))), values_of(view)), 5e-4) << view.name;
    ++compared;
  }
  EXPECT_EQ(compared, prefix.empty() ? 0 : 10);
}

void run_sft(SchedulerType schedule, const std::string& name, const std::string& tensor_prefix) {
  const TempFolder folder;
  const Json file = golden("sft.json");
  TrainJob job(golden_request(RunKind::sft, file, schedule, folder.path() / "run"));
  const TrainReport report = job.run({});
  const auto ours = metrics_of(folder.path() / "run");
  expect_series(ours, file[name]["steps"], 1e-4, 2e-4);
  EXPECT_NEAR(ours.at(0)["loss"].get<double>(), file["loss"].get<double>(), 2e-5);
  EXPECT_NEAR(ours.back()["eval_loss"].get<double>(), file[name]["loss_after"].get<double>(), 1e-4);
  expect_final(report.adapter, file[name]["final_l2"], golden_path("smollm2/sft_tensors.safetensors"), tensor_prefix);
}

TEST(Parity, TenSftStepsWithCosineAreTransformers) {
  run_sft(SchedulerType::cosine, "cosine", "final_cosine.");
}
TEST(Parity, TenSftStepsAtAConstantRateAreTransformers) {
  run_sft(SchedulerType::constant, "constant", "");
}

TEST(Parity, ExactSumsAreNotThePeersCrossEntropy) {
  // The control of loss_sum: the peers' fp32 sum over 49,152 terms comes out 1.3e-4 nats a token short.
  const TempFolder folder;
  const Json file = golden("sft.json");
  TrainRequest request = golden_request(RunKind::sft, file, SchedulerType::cosine, folder.path() / "run");
  request.config.loss_sum = LossSum::float64;
  request.config.max_steps = 1;
  request.config.warmup_steps = 0;
  request.held_out.clear();
  TrainJob(std::move(request)).run({});
  const double difference = metrics_of(folder.path() / "run").at(0)["loss"].get<double>() - file["loss"].get<double>();
  EXPECT_GT(difference, 5e-5);
  EXPECT_LT(difference, 3e-4);
}

TEST(Parity, TenDpoStepsAreTrls) {
  const TempFolder folder;
  const Json file = golden("dpo.json");
  TrainRequest request = golden_request(RunKind::dpo, file, SchedulerType::cosine, folder.path() / "run");
  request.config.beta = file["beta"];
  TrainJob job(std::move(request));
  const TrainReport report = job.run({});
  const auto ours = metrics_of(folder.path() / "run");
  expect_series(ours, file["steps"], 2e-4, 2e-4);
  EXPECT_NEAR(ours.at(0)["loss"].get<double>(), file["loss"].get<double>(), 5e-5);
  EXPECT_NEAR(ours.at(0)["rewards/accuracies"].get<double>(), file["rewards"]["accuracy"].get<double>(), 1e-12);
  EXPECT_NEAR(ours.back()["eval_loss"].get<double>(), file["loss_after"].get<double>(), 2e-4);
  expect_final(report.adapter, file["final_l2"], golden_path("smollm2/dpo_tensors.safetensors"), "final.");
  ReferenceRequest stored;
  stored.rows = &job.rows();
  stored.file = folder.path() / "run/reference.jsonl";
  const ReferenceTable reference(stored);
  for (size_t row = 0; row < 4; ++row) {
    EXPECT_NEAR(reference.row(static_cast<int64_t>(row)).at(0), file["ref_logps"]["chosen"][row].get<double>(), 5e-4);
    EXPECT_NEAR(reference.row(static_cast<int64_t>(row)).at(1), file["ref_logps"]["rejected"][row].get<double>(), 5e-4);
  }
}

struct FirstStep {
  Json metrics;
  std::vector<float> parameters;
};

/// One step with an update that is a smooth function of the gradient.
FirstStep first_step(RunKind kind, const std::function<void(TrainRequest&)>& change) {
  const TempFolder folder;
  TrainRequest request = golden_request(kind, golden(kind == RunKind::sft ? "sft.json" : "dpo.json"),
                                        SchedulerType::constant, folder.path() / "run");
  request.config.max_steps = 1;
  request.config.warmup_steps = 0;
  request.config.adam_epsilon = 1.0;
  request.held_out.clear();
  change(request);
  TrainJob job(std::move(request));
  const TrainReport report = job.run({});
  const formats::SafetensorsFile file(report.adapter / "adapter_model.safetensors");
  FirstStep out{metrics_of(folder.path() / "run").at(0), {}};
  for (const auto& view : file.tensors()) {
    const auto values = values_of(view);
    out.parameters.insert(out.parameters.end(), values.begin(), values.end());
  }
  return out;
}

TEST(Parity, MicroBatchesAndPackingChangeNeitherLossNorGradient) {
  for (const RunKind kind : {RunKind::sft, RunKind::dpo}) {
    const FirstStep whole = first_step(kind, [](TrainRequest&) {});
    const FirstStep split = first_step(kind, [](TrainRequest& request) {
      request.config.per_device_train_batch_size = 1;
      request.config.gradient_accumulation_steps = 4;
    });
    const FirstStep packed = first_step(kind, [](TrainRequest& request) {
      request.config.packing = true;
      request.config.max_length = 200;
    });
    for (const FirstStep* other : {&split, &packed}) {
      EXPECT_NEAR(other->metrics["loss"].get<double>(), whole.metrics["loss"].get<double>(), 2e-5);
      const double norm = whole.metrics["grad_norm"];
      EXPECT_NEAR(other->metrics["grad_norm"].get<double>(), norm, 1e-4 * norm);
      EXPECT_LT(relative_l2(other->parameters, whole.parameters), 1e-6);
    }
  }
}

TEST(Parity, FirstDpoStepOnAFreshAdapterIsLn2) {
  const FirstStep step = first_step(RunKind::dpo, [](TrainRequest& request) {
    request.start_adapter.clear();
    request.config.reference = ReferencePolicy::start;
  });
  EXPECT_NEAR(step.metrics["loss"].get<double>(), std::log(2.0), 1e-6);
}

TEST(Parity, AContinuedAdapterIsItsOwnReference) {
  const FirstStep step =
      first_step(RunKind::dpo, [](TrainRequest& request) { request.config.reference = ReferencePolicy::start; });
  EXPECT_NEAR(step.metrics["rewards/margins"].get<double>(), 0.0, 5e-5);
  EXPECT_NEAR(step.metrics["loss"].get<double>(), std::log(2.0), 1e-5);
}

TEST(Parity, ARealRunStoppedAndResumedIsBitForBitTheSame) {
  const TempFolder folder;
  const auto request = [&](const char* name, bool resume) {
    TrainRequest out = golden_request(RunKind::dpo, golden("dpo.json"), SchedulerType::linear, folder.path() / name);
    out.config.max_steps = 4;
    out.config.warmup_steps = 0;
    out.config.per_device_train_batch_size = 1;
    out.config.gradient_accumulation_steps = 2;
    out.config.lora_dropout = 0.2;
    out.config.save_steps = 1;
    out.held_out.clear();
    out.resume = resume;
    return out;
  };
  class StopAt final : public RunSink {
   public:
    explicit StopAt(std::stop_source& stop) : stop_(stop) {}
    void begin(int64_t, int64_t) override {}
    void examples(int64_t, const std::vector<ExampleLoss>&) override {}
    void record(const StepRecord& record) override {
      if (record.step == 2) stop_.request_stop();
    }
    void flush(int64_t) override {}

   private:
    std::stop_source& stop_;
  };
  std::string straight, resumed;
  {
    TrainJob job(request("straight", false));
    straight = job.run({}).adapter_sha256;
  }
  {
    TrainJob job(request("stopped", false));
    std::stop_source stop;
    job.add_sink(std::make_unique<StopAt>(stop));
    EXPECT_THROW(job.run(stop.get_token()), Cancelled);
  }
  {
    TrainJob job(request("stopped", true));
    resumed = job.run({}).adapter_sha256;
  }
  EXPECT_EQ(resumed, straight);
  EXPECT_EQ(metrics_of(folder.path() / "stopped").size(), 4U);
}

}  // namespace
}  // namespace afina::finetune
