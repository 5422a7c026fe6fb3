// SPDX-License-Identifier: Apache-2.0
// A folder of checkpoints that are complete or invisible: written under a temporary name, every file fsynced, a
// manifest with sizes and SHA-256 last, then renamed. Knows nothing of what is inside. Rules: reliability notes in
// docs/decisions.md.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/json.h"

namespace afina::finetune {

struct Checkpoint {
  int64_t step = 0;
  std::filesystem::path folder;
  Json facts;  ///< what save() was given
};

/// Not thread-safe; one process at a time.
class CheckpointStore {
 public:
  /// folder is made where needed; keep >= 1 checkpoints stay. Leftovers of an interrupted save or removal are deleted.
  CheckpointStore(std::filesystem::path folder, int64_t keep);

  using Writer = std::function<void(const std::filesystem::path& folder)>;
  /// write_files fills an empty folder. Returns the final folder; throws StorageError, and then every older checkpoint
  /// stands. Older ones than the newest `keep`, but for the best, are deleted only after the new one is in place.
  std::filesystem::path save(int64_t step, const Json& facts, const Writer& write_files);

  /// The newest checkpoint whose manifest, sizes and hashes hold; each damaged one on the way is warned of and kept.
  std::optional<Checkpoint> newest_valid() const;

  /// Names the checkpoint of that step the best in the file BEST: it stays until another one is. Throws NotFound where
  /// it is not there, or StorageError.
  void mark_best(int64_t step);
  /// The one that mark_best named, where it is whole; a damaged one is warned of.
  std::optional<Checkpoint> best() const;

 private:
  std::filesystem::path folder_;
  int64_t keep_;
};

/// What does not hold of a checkpoint folder, as a sentence; empty where all does. Reads every byte.
std::string checkpoint_fault(const std::filesystem::path& folder);

}  // namespace afina::finetune
