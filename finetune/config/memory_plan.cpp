// SPDX-License-Identifier: Apache-2.0
#include "finetune/config/memory_plan.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/error.h"

namespace afina::finetune {
namespace {

constexpr int64_t kRowsWithoutLoss = 512;  // fewer rows in a product cost speed

struct Class {
  const char* name;
  int64_t MemoryBytes::*bytes;
};
constexpr std::array<Class, 10> kClasses = {{{"program", &MemoryBytes::program},
                                             {"weights", &MemoryBytes::weights},
                                             {"adapter", &MemoryBytes::adapter},
                                             {"optimiser", &MemoryBytes::optimiser},
                                             {"activations", &MemoryBytes::activations},
                                             {"work", &MemoryBytes::work},
                                             {"reference", &MemoryBytes::reference},
                                             {"evaluation", &MemoryBytes::evaluation},
                                             {"checkpoint", &MemoryBytes::checkpoint},
                                             {"data", &MemoryBytes::data}}};

std::string gigabytes(int64_t bytes) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.2f GB", 1e-9 * static_cast<double>(bytes));
  return out.data();
}

class Planner {
 public:
  explicit Planner(const MemoryQuestion& question) : q_(question) {}

  MemoryPlan plan() const {
    const int64_t least = q_.may_split ? std::min(q_.micro_rows, q_.longest_row) : q_.micro_rows;
    const int64_t quick = std::max(least, std::min(q_.micro_rows, kRowsWithoutLoss));
    if (auto found = smaller(q_.micro_rows, quick)) return *found;
    if (auto found = recomputed(quick)) return *found;
    if (least < quick) {
      if (auto found = smaller(quick, least)) return *found;
      if (auto found = recomputed(least)) return *found;
    }
    refuse(least);
  }

 private:
  bool is_free() const { return q_.recompute == RecomputeChoice::automatic; }
  MemoryChoice plain(int64_t rows) const {
    if (is_free()) return {rows, RecomputeChoice::none, 0};
    return {rows, q_.recompute, q_.recompute == RecomputeChoice::none ? 0 : q_.layers};
  }

  std::optional<MemoryPlan> fitting(const MemoryChoice& choice) const {
    MemoryBytes bytes = q_.fixed;
    const MemoryBytes arena = q_.arena(choice);
    bytes.activations = arena.activations;
    bytes.work = arena.work;
    if (bytes.total() > q_.budget_bytes) return std::nullopt;
    return MemoryPlan{choice, bytes, q_.budget_bytes, choice.micro_rows < q_.micro_rows};
  }

  /// The most rows from `most` down to `least`, by halves, that fit as they are.
  std::optional<MemoryPlan> smaller(int64_t most, int64_t least) const {
    for (int64_t rows = most;; rows = std::max(least, (rows + 1) / 2)) {
      if (auto found = fitting(plain(rows))) return found;
      if (rows <= least) return std::nullopt;
    }
  }

  /// The fewest layers that must be computed again, the cheaper way first.
  std::optional<MemoryPlan> recomputed(int64_t rows) const {
    if (!is_free()) return std::nullopt;
    for (const RecomputeChoice what : {RecomputeChoice::gate_up, RecomputeChoice::layer}) {
      if (!fitting({rows, what, q_.layers})) continue;
      int64_t low = 1, high = q_.layers;
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (fitting({rows, what, middle})) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      return fitting({rows, what, high});
    }
    return std::nullopt;
  }

  [[noreturn]] void refuse(int64_t least) const {
    const MemoryChoice smallest = is_free() ? MemoryChoice{least, RecomputeChoice::layer, q_.layers} : plain(least);
    MemoryBytes bytes = q_.fixed;
    const MemoryBytes arena = q_.arena(smallest);
    bytes.activations = arena.activations;
    bytes.work = arena.work;
    int64_t fits = 0;
    for (int64_t step = least; step > 0; step /= 2)
      if (fits + step < least && fitting({fits + step, smallest.recompute, smallest.recompute_layers})) fits += step;
    const std::string way = fits >= 16
                                ? cat(q_.may_split ? "max_length=" : "micro-batches of at most ", fits,
                                      q_.may_split ? " fits" : " tokens fit (per_device_train_batch_size, max_length)")
                                : cat("max_memory_gb or a machine with ", gigabytes(bytes.total()),
                                      ", load_in_4bit, dtype=bfloat16 or a smaller model");
    throw UsageError(cat("[finetune.memory] the run must fit into ", gigabytes(q_.budget_bytes), ", but needs ",
                         gigabytes(bytes.total()), " with the smallest micro-batch (", least,
                         " tokens) and everything recomputed that may be."),
                     way);
  }

  const MemoryQuestion& q_;
};

int64_t field_of(const char* file, const char* name) {
  std::FILE* in = std::fopen(file, "r");
  if (in == nullptr) return 0;
  std::array<char, 256> line{};
  int64_t kilobytes = 0;
  const std::string key = cat(name, ":");
  while (std::fgets(line.data(), static_cast<int>(line.size()), in) != nullptr) {
    if (std::string(line.data()).starts_with(key)) kilobytes = std::atoll(line.data() + key.size());
  }
  std::fclose(in);
  return kilobytes * 1024;
}

/// Bytes in a file of one number; nothing where it is missing or says "max".
std::optional<int64_t> number_in(const char* file) {
  std::FILE* in = std::fopen(file, "r");
  if (in == nullptr) return std::nullopt;
  long long value = 0;
  const int read = std::fscanf(in, "%lld", &value);
  std::fclose(in);
  if (read != 1) return std::nullopt;
  return value;
}

}  // namespace

int64_t MemoryBytes::total() const {
  int64_t sum = 0;
  for (const Class& c : kClasses)
    sum += this->*c.bytes;
  return sum;
}

MemoryPlan plan_memory(const MemoryQuestion& question) {
  AFINA_CHECK(question.arena && question.micro_rows > 0 && question.layers > 0, "a whole question about memory");
  return Planner(question).plan();
}

std::string describe(const MemoryPlan& plan) {
  std::vector<Class> classes(kClasses.begin(), kClasses.end());
  std::stable_sort(classes.begin(), classes.end(),
                   [&](const Class& a, const Class& b) { return plan.bytes.*a.bytes > plan.bytes.*b.bytes; });
  std::string out = cat("memory ", gigabytes(plan.bytes.total()), " of ", gigabytes(plan.budget_bytes), ":");
  const char* comma = " ";
  for (const Class& c : classes) {
    if (plan.bytes.*c.bytes < 1000000) continue;
    out += cat(comma, c.name, " ", gigabytes(plan.bytes.*c.bytes));
    comma = ", ";
  }
  if (plan.split) out += cat("; micro-batches split to ", plan.choice.micro_rows, " tokens");
  if (plan.choice.recompute_layers > 0)
    out += cat("; ", to_string(plan.choice.recompute), " recomputed in ", plan.choice.recompute_layers, " layers");
  return out;
}

Json to_json(const MemoryPlan& plan) {
  Json out = {{"total", plan.bytes.total()},
              {"budget", plan.budget_bytes},
              {"micro_rows", plan.choice.micro_rows},
              {"split", plan.split},
              {"recompute", std::string(to_string(plan.choice.recompute))},
              {"recompute_layers", plan.choice.recompute_layers}};
  for (const Class& c : kClasses)
    out[c.name] = plan.bytes.*c.bytes;
  return out;
}

int64_t available_memory_bytes() {
  const int64_t mine = resident_bytes();
  int64_t available = field_of("/proc/meminfo", "MemAvailable") + mine;
  const auto limit = number_in("/sys/fs/cgroup/memory.max");
  const auto used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used) available = std::min(available, std::max<int64_t>(0, *limit - *used) + mine);
  return available;
}

int64_t resident_bytes() {
  return field_of("/proc/self/status", "VmRSS");
}

int64_t peak_resident_bytes() {
  return field_of("/proc/self/status", "VmHWM");
}

}  // namespace afina::finetune
