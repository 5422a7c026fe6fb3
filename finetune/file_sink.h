// SPDX-License-Identifier: Apache-2.0
// A run's records as files of its folder: metrics.jsonl (one object a step), examples.jsonl (one line an example and
// step, with where the example came from), health.jsonl (one object a verdict), TensorBoard events; and the progress
// line on stderr.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/progress.h"
#include "finetune/batch_source.h"
#include "finetune/run_sink.h"
#include "formats/tensorboard.h"

namespace afina::finetune {

/// Lines appended with one write each, so that a reader or a kill sees whole lines and at worst a torn last one. What a
/// full disk refuses is kept in memory and written with the next lines.
class AppendFile {
 public:
  /// Throws StorageError where the file cannot be opened.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  /// Warns where the disk takes nothing; the lines are then kept.
  void append(const std::string& lines);
  /// Everything appended is on the disk, or StorageError.
  void sync();

 private:
  bool write_kept();

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string kept_;
  bool warned_ = false;
};

/// Cuts a JSON Lines file before its first line that is torn or whose "step" is beyond `step`. A missing file is left
/// missing.
void cut_records_after(const std::filesystem::path& path, int64_t step);

class FileSink final : public RunSink {
 public:
  /// rows outlives the sink; folder exists.
  FileSink(std::filesystem::path folder, const TrainingRows& rows);
  void begin(int64_t step, int64_t total_steps) override;
  void examples(int64_t step, const std::vector<ExampleLoss>& losses) override;
  void record(const StepRecord& record) override;
  void verdict(const Verdict& verdict) override;
  void flush(int64_t step) override;

 private:
  std::filesystem::path folder_;
  const TrainingRows& rows_;
  std::optional<AppendFile> metrics_, examples_, health_;
};

/// Tags as transformers': train/loss, eval/loss.
class TensorBoardSink final : public RunSink {
 public:
  explicit TensorBoardSink(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void begin(int64_t step, int64_t total_steps) override;
  void examples(int64_t, const std::vector<ExampleLoss>&) override {}
  void record(const StepRecord& record) override;
  void flush(int64_t step) override;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<formats::TensorBoardWriter> writer_;
  bool warned_ = false;
};

class ProgressSink final : public RunSink {
 public:
  explicit ProgressSink(std::string title) : title_(std::move(title)) {}
  void begin(int64_t step, int64_t total_steps) override;
  void examples(int64_t, const std::vector<ExampleLoss>&) override {}
  void record(const StepRecord& record) override;
  /// Warnings and errors as log lines; notes are for health.jsonl.
  void verdict(const Verdict& verdict) override;
  void flush(int64_t) override {}

 private:
  std::string title_;
  int64_t first_step_ = 0;
  std::unique_ptr<Progress> progress_;
};

}  // namespace afina::finetune
