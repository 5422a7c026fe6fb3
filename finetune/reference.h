// SPDX-License-Identifier: Apache-2.0
// Reference log-probabilities of DPO: the policy at step 0 (or the bare base), each row alone in canonical layout so
// that a value never depends on its neighbours. Computed when a row is first met, or all before the first step;
// cached by content and kept in the run folder.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dpo/objective.h"
#include "finetune/batch_source.h"
#include "finetune/policy.h"

namespace afina::finetune {

/// Values that earlier runs computed, by key. The database's and tests' implementations are plugged in by the program.
class ReferenceCache {
 public:
  ReferenceCache() = default;
  ReferenceCache(const ReferenceCache&) = delete;
  ReferenceCache& operator=(const ReferenceCache&) = delete;
  virtual ~ReferenceCache() = default;
  virtual std::optional<std::vector<double>> find(const std::string& key) = 0;
  virtual void store(const std::string& key, const std::vector<double>& logps) = 0;
};

struct ReferenceRequest {
  const TrainingRows* rows = nullptr;
  Policy* policy = nullptr;   ///< as it is now: at step 0
  bool with_adapter = false;  ///< false: bare base; true: frozen values of the starting adapter
  std::string reference_key;  ///< names base weights, starting adapter and arithmetic; part of every cache key
  ReferenceCache* cache = nullptr;
  std::filesystem::path file;  ///< one JSON line a row: {"row", "content", "logps"}, in any order; empty: none
};

struct ReferenceCounts {
  int64_t computed = 0;
  int64_t cached = 0;
};

/// Values of one data set: for each row, one summed log-probability (nats) for each of its sequences. What the request
/// points to outlives it. Not thread-safe.
class ReferenceTable {
 public:
  /// Takes the values that request.file holds; an unfinished last line, left by a killed run, is cut off. Throws
  /// DataError where the file is of other rows.
  explicit ReferenceTable(ReferenceRequest request);
  /// In the order of batch.sequences; rows that have no value yet get one, from the cache or from the policy with its
  /// parameters of step 0, whatever they are now. Not between forward() and backward() of the policy. Throws ModelError
  /// naming the row of a value that is not finite, StorageError where the file cannot be written.
  dpo::ReferenceLogps of(const datasets::PackedBatch& batch);
  /// Gives every row its value. Throws Cancelled on a stop (values so far are kept).
  void compute_all(const std::stop_token& stop);
  /// The value of each sequence of a row; empty where it has none yet.
  const std::vector<double>& row(int64_t row) const { return logps_.at(static_cast<size_t>(row)); }
  /// SHA-256 that names the values: of the key and the rows.
  std::string identity() const;
  /// Of this process; values of the file are in neither.
  const ReferenceCounts& counts() const { return counts_; }

 private:
  void read_file();
  const std::vector<double>& value(int64_t row);
  std::vector<double> compute(int64_t row);
  void keep(int64_t row);

  ReferenceRequest request_;
  std::vector<std::vector<double>> logps_;
  std::vector<float> start_P_;  ///< parameters of step 0, where the reference is the starting adapter
  std::ofstream out_;
  ReferenceCounts counts_;
};

}  // namespace afina::finetune
