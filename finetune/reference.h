// SPDX-License-Identifier: Apache-2.0
// Reference log-probabilities of DPO: the policy at step 0 (or the bare base), computed once before training, each row
// alone in canonical layout so that a value never depends on its neighbours, cached by content and kept in the run
// folder.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dpo/objective.h"
#include "finetune/batch_source.h"
#include "finetune/policy.h"

namespace afina::finetune {

/// Values of one data set: for each row, one summed log-probability (nats) for each of its sequences.
class ReferenceTable {
 public:
  explicit ReferenceTable(std::vector<std::vector<double>> logps) : logps_(std::move(logps)) {}
  /// In the order of batch.sequences. Throws InternalError for a row that the table lacks.
  dpo::ReferenceLogps of(const datasets::PackedBatch& batch) const;
  const std::vector<std::vector<double>>& rows() const { return logps_; }
  /// SHA-256 of the values' bits.
  std::string hash() const;

 private:
  std::vector<std::vector<double>> logps_;
};

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
  std::stop_token stop;
};

struct ReferenceCounts {
  int64_t computed = 0;
  int64_t cached = 0;
};

/// Throws Cancelled on a stop (values so far stay in the cache) and ModelError naming the row of a value that is not
/// finite.
ReferenceTable compute_reference(const ReferenceRequest& request, ReferenceCounts* counts = nullptr);

/// One JSON line a row: {"row", "content", "logps"}; doubles are written so that they read back bit for bit.
void write_reference(const std::filesystem::path& path, const TrainingRows& rows, const ReferenceTable& table);
/// Throws NotFound, or DataError where the file is of other rows.
ReferenceTable read_reference(const std::filesystem::path& path, const TrainingRows& rows);

}  // namespace afina::finetune
