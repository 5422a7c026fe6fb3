// SPDX-License-Identifier: Apache-2.0
// A toy in place of a decoder, for tests of the loop: a table of next-token logits (the "base") plus a trained table of
// the same size (the "adapter"), with dropout by counter. Exact derivatives in a few lines, so a whole run takes
// milliseconds.
#pragma once
#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/cat.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "finetune/batch_source.h"
#include "finetune/policy.h"
#include "finetune/run_sink.h"

namespace afina::finetune::toy {

inline constexpr int kVocab = 11;

inline uint64_t mix(uint64_t z) {
  z = (z + 0x9E3779B97F4A7C15ULL) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}
inline double uniform(uint64_t key) {
  return static_cast<double>(mix(key) >> 11) / 9007199254740992.0;
}

/// Logit of `next` after `current`, and its trained delta, are entries current * kVocab + next of two tables.
class ToyPolicy final : public Policy {
 public:
  explicit ToyPolicy(bool fresh = true, double dropout = 0.0)
      : dropout_(dropout), flat_P_(at::zeros({kVocab * kVocab}, at::kFloat)) {
    if (fresh) return;
    for (int i = 0; i < kVocab * kVocab; ++i)
      data()[i] = static_cast<float>(uniform(static_cast<uint64_t>(i) + 999) - 0.5);
  }
  at::Tensor& parameters() override { return flat_P_; }
  model::TokenStats forward(const datasets::PackedBatch& batch, const model::DropoutKey& key) override {
    return stats(batch, true, key);
  }
  model::TokenStats evaluate(const datasets::PackedBatch& batch, bool with_adapter) override {
    if (on_evaluate) on_evaluate();
    return stats(batch, with_adapter, {});
  }
  void backward(const datasets::PackedBatch& batch, const model::DropoutKey& key, std::span<const double> dloss_dlogp,
                at::Tensor& grad_P) override {
    for (size_t i = 0; i < batch.targets.size(); ++i) {
      const auto& target = batch.targets[i];
      const int current = batch.ids[static_cast<size_t>(target.row)];
      const auto probabilities = distribution(batch, target.row, true, key);
      for (int next = 0; next < kVocab; ++next) {
        const double d =
            dloss_dlogp[i] * ((next == target.token ? 1.0 : 0.0) - probabilities[static_cast<size_t>(next)]);
        grad_P.data_ptr<float>()[current * kVocab + next] += static_cast<float>(d * mask(key, target.row));
      }
    }
    if (poison_gradient) grad_P.data_ptr<float>()[5] = std::numeric_limits<float>::infinity();
  }
  void save_adapter(const std::filesystem::path& folder) const override {
    std::filesystem::create_directories(folder);
    if (on_save) on_save();
    write_file_synced(folder / "adapter_model.safetensors", "toy");
  }
  std::string parameter_name(int64_t index) const override { return cat("table[", index, "]"); }
  std::vector<ParameterBlock> blocks() const override { return {{"table.lora_B", BlockKind::b, 0, kVocab, kVocab}}; }

  std::string first_bad_layer() const override { return bad_layer; }

  std::string bad_layer;
  int poisoned_token = -1;  ///< a batch that holds it has a loss that is not a number
  bool poison_gradient = false;
  std::function<void()> on_save, on_evaluate;

 private:
  float* data() { return flat_P_.data_ptr<float>(); }
  double mask(const model::DropoutKey& key, int row) const {
    if (!key.enabled || dropout_ == 0.0) return 1.0;
    const uint64_t place =
        mix(key.seed) ^ mix(key.step * 1000 + key.micro_batch) ^ mix(static_cast<uint64_t>(row) + 77);
    return uniform(place) < dropout_ ? 0.0 : 1.0 / (1.0 - dropout_);
  }
  std::vector<double> distribution(const datasets::PackedBatch& batch, int row, bool with_adapter,
                                   const model::DropoutKey& key) const {
    const int current = batch.ids[static_cast<size_t>(row)];
    std::vector<double> p(kVocab);
    double sum = 0.0;
    for (int next = 0; next < kVocab; ++next) {
      const int entry = current * kVocab + next;
      double logit = 2.0 * uniform(static_cast<uint64_t>(entry));
      if (with_adapter) logit += mask(key, row) * flat_P_.const_data_ptr<float>()[entry];
      sum += p[static_cast<size_t>(next)] = std::exp(logit);
    }
    for (auto& x : p)
      x /= sum;
    return p;
  }
  model::TokenStats stats(const datasets::PackedBatch& batch, bool with_adapter, const model::DropoutKey& key) const {
    model::TokenStats out;
    for (const auto& target : batch.targets) {
      const auto p = distribution(batch, target.row, with_adapter, key);
      const bool poisoned = target.token == poisoned_token;
      out.logp.push_back(poisoned ? std::numeric_limits<double>::quiet_NaN()
                                  : std::log(p[static_cast<size_t>(target.token)]));
      out.correct.push_back(std::max_element(p.begin(), p.end()) - p.begin() == target.token ? 1 : 0);
    }
    return out;
  }

  double dropout_;
  at::Tensor flat_P_;
};

/// n rows of 3..9 tokens (SFT: all but the first are targets; of BCO every third is a bad answer) or pairs on a prompt
/// of 2..4 tokens; a function of the seed.
class ToyRows final : public TrainingRows {
 public:
  ToyRows(int64_t n, bool pairs, uint64_t seed = 1) : pairs_(pairs) {
    for (int64_t i = 0; i < n; ++i) {
      const auto key = seed * 1'000'003 + static_cast<uint64_t>(i) * 97;
      rows_.push_back({tokens_of(key, pairs ? 2 + static_cast<int>(mix(key) % 3) : 0),
                       tokens_of(key + 31, 3 + static_cast<int>(mix(key + 1) % 7)),
                       tokens_of(key + 61, 3 + static_cast<int>(mix(key + 2) % 7))});
    }
  }
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t tokens(int64_t row) const override {
    const Row& r = at(row);
    return static_cast<int64_t>(r.prompt.size() + r.chosen.size() + (pairs_ ? r.rejected.size() : 0));
  }
  datasets::PackedBatch pack(std::span<const int64_t> rows) const override {
    datasets::PackedBatch batch;
    for (const int64_t row : rows)
      pairs_ ? add_pair(batch, row) : add_row(batch, row);
    return batch;
  }
  std::string content_hash(int64_t row) const override { return sha256_hex(cat("toy ", describe(row))); }
  std::string name(int64_t row) const override { return cat("toy.jsonl:", row + 1); }
  Json lineage(int64_t row) const override { return {{"line", row + 1}}; }
  std::string data_hash() const override {
    std::string all;
    for (int64_t i = 0; i < size(); ++i)
      all += describe(i);
    return sha256_hex(all);
  }
  void set_token(int64_t row, int place, int token) {
    rows_[static_cast<size_t>(row)].chosen[static_cast<size_t>(place)] = token;
  }

 private:
  struct Row {
    std::vector<int> prompt, chosen, rejected;
  };
  const Row& at(int64_t row) const { return rows_.at(static_cast<size_t>(row)); }
  static std::vector<int> tokens_of(uint64_t key, int n) {
    std::vector<int> out;
    for (int i = 0; i < n; ++i)
      out.push_back(static_cast<int>(mix(key + static_cast<uint64_t>(i) * 13) % (kVocab - 1)));
    return out;
  }
  std::string describe(int64_t row) const {
    std::string out;
    for (const auto* part : {&at(row).prompt, &at(row).chosen, &at(row).rejected}) {
      for (const int token : *part)
        out += cat(token, ",");
      out += ";";
    }
    return out;
  }
  static int append(datasets::PackedBatch& batch, const std::vector<int>& ids, int prefix_begin, int prefix_length) {
    const int begin = static_cast<int>(batch.ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      batch.ids.push_back(ids[i]);
      batch.positions.push_back(prefix_length + static_cast<int>(i));
    }
    batch.segments.push_back({begin, static_cast<int>(ids.size()), prefix_begin, prefix_length});
    return begin;
  }
  void add_sequence(datasets::PackedBatch& batch, int side, const std::vector<int>& ids, int begin, int before) const {
    const int sequence = static_cast<int>(batch.sequences.size());
    datasets::Sequence s{static_cast<int>(batch.examples.size()) - 1, side, static_cast<int>(batch.targets.size()), 0};
    for (size_t i = 0; i < ids.size(); ++i) {
      const int from = i == 0 ? before : begin + static_cast<int>(i) - 1;
      if (from < 0) continue;
      batch.targets.push_back({from, ids[i], sequence, 1.0F});
      ++s.n_targets;
    }
    batch.sequences.push_back(s);
  }
  void add_row(datasets::PackedBatch& batch, int64_t row) const {
    batch.examples.push_back({row, static_cast<int>(batch.sequences.size()), 1, row % 3 == 0 ? 0.0 : 1.0});
    const int begin = append(batch, at(row).chosen, 0, 0);
    add_sequence(batch, 0, at(row).chosen, begin, -1);
  }
  void add_pair(datasets::PackedBatch& batch, int64_t row) const {
    const Row& r = at(row);
    batch.examples.push_back({row, static_cast<int>(batch.sequences.size()), 2});
    const int prompt = append(batch, r.prompt, 0, 0), length = static_cast<int>(r.prompt.size());
    int side = 0;
    for (const auto* answer : {&r.chosen, &r.rejected}) {
      const int begin = append(batch, *answer, prompt, length);
      add_sequence(batch, side++, *answer, begin, prompt + length - 1);
    }
  }

  bool pairs_;
  std::vector<Row> rows_;
};

/// Keeps everything in memory.
class MemorySink final : public RunSink {
 public:
  void begin(int64_t step, int64_t total_steps) override {
    begun_at = step;
    total = total_steps;
  }
  void examples(int64_t step, const std::vector<ExampleLoss>& losses) override {
    for (const auto& loss : losses)
      example_losses.emplace_back(step, loss);
  }
  void record(const StepRecord& record) override {
    records.push_back(record);
    if (on_record) on_record(record);
  }
  void verdict(const Verdict& verdict) override { verdicts.push_back(verdict); }
  void flush(int64_t step) override {
    if (on_flush) on_flush(step);
  }

  int64_t begun_at = -1, total = -1;
  std::vector<StepRecord> records;
  std::vector<std::pair<int64_t, ExampleLoss>> example_losses;
  std::vector<Verdict> verdicts;
  std::function<void(const StepRecord&)> on_record;
  std::function<void(int64_t)> on_flush;
};

}  // namespace afina::finetune::toy
