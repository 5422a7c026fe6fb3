// SPDX-License-Identifier: Apache-2.0
// The folder of one run: run.json (what was asked, on what, with which hashes), records, checkpoints, reference values,
// the finished adapter. One process at a time, held by a lock that the kernel drops with the process.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"

namespace afina::finetune {

/// Before any work: throws Conflict where out exists, is not empty and resume is false; NotFound where resume is true
/// and no run is there; UsageError where out cannot become a folder; StorageError where it cannot be written.
void check_run_folder(const std::filesystem::path& out, bool resume);

class RunFolder {
 public:
  /// Makes the folder and writes run.json, or with resume reads the run.json that is there (record is then ignored).
  /// Throws Conflict where another process works in it, StorageError or DataError.
  RunFolder(std::filesystem::path out, bool resume, const OrderedJson& record);

  const OrderedJson& record() const { return record_; }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path tensorboard() const { return path_ / "tensorboard"; }
  std::filesystem::path adapter() const { return path_ / "adapter"; }
  std::filesystem::path reference() const { return path_ / "reference.jsonl"; }

 private:
  struct Lock {
    Lock() = default;
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    int descriptor = -1;
  };

  std::filesystem::path path_;
  Lock lock_;
  OrderedJson record_;
};

}  // namespace afina::finetune
