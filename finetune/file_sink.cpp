// SPDX-License-Identifier: Apache-2.0
#include "finetune/file_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "finetune/config/metric_names.h"

namespace afina::finetune {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  throw StorageError(
      cat("[finetune.records] must ", what, " ", path.string(), ", but got: ", std::strerror(errno), "."));
}

/// The step of a line, or nothing where the line is torn.
std::optional<int64_t> step_of_line(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains(metric::kStep) || !json[metric::kStep].is_number_integer())
    return std::nullopt;
  return json[metric::kStep].get<int64_t>();
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) fail("open", path_);
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool AppendFile::write_kept() {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  for (size_t done = 0; done < kept_.size();) {
    const ssize_t n = ::write(descriptor_, kept_.data() + done, kept_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int reason = errno;
      // No torn line may stand before the ones that follow when there is room again.
      if (before < 0 || ::ftruncate(descriptor_, before) != 0) fail("cut", path_);
      errno = reason;
      return false;
    }
    done += static_cast<size_t>(n);
  }
  kept_.clear();
  warned_ = false;
  return true;
}

void AppendFile::append(const std::string& lines) {
  kept_ += lines;
  if (write_kept() || warned_) return;
  log_warning("finetune", path_.string(), " cannot be written (", std::strerror(errno),
              "); its lines wait in memory until there is room");
  warned_ = true;
}

void AppendFile::sync() {
  if (!write_kept()) fail("write", path_);
  if (::fsync(descriptor_) != 0) fail("sync", path_);
}

void cut_records_after(const std::filesystem::path& path, int64_t step) {
  uintmax_t keep = 0;
  {
    std::ifstream file(path, std::ios::binary);
    if (!file) return;
    std::string line;
    while (std::getline(file, line) && !file.eof()) {
      const auto at = step_of_line(line);
      if (!at || *at > step) break;
      keep += line.size() + 1;
    }
  }
  std::error_code code;
  std::filesystem::resize_file(path, keep, code);
  if (code) throw StorageError(cat("[finetune.records] must cut ", path.string(), ", but got: ", code.message(), "."));
}

FileSink::FileSink(std::filesystem::path folder, const TrainingRows& rows) : folder_(std::move(folder)), rows_(rows) {}

void FileSink::begin(int64_t step, int64_t /*total_steps*/) {
  cut_records_after(folder_ / "metrics.jsonl", step);
  cut_records_after(folder_ / "examples.jsonl", step);
  cut_records_after(folder_ / "health.jsonl", step);
  metrics_.emplace(folder_ / "metrics.jsonl");
  examples_.emplace(folder_ / "examples.jsonl");
  health_.emplace(folder_ / "health.jsonl");
}

void FileSink::examples(int64_t step, const std::vector<ExampleLoss>& losses) {
  std::string lines;
  for (const auto& example : losses) {
    OrderedJson line = {{"step", step}, {"row", example.row}, {"loss", example.loss}};
    const Json lineage = rows_.lineage(example.row);
    for (const auto& [key, value] : lineage.items())
      line[key] = value;
    lines += dump_json(line) + "\n";
  }
  examples_->append(lines);
}

void FileSink::record(const StepRecord& record) {
  OrderedJson line = {{metric::kStep, record.step}};
  for (const auto& [name, value] : record.values) {
    if (name == metric::kNumTokens) {
      line[name] = static_cast<int64_t>(value);
    } else {
      line[name] = value;
    }
  }
  metrics_->append(dump_json(line) + "\n");
}

void FileSink::verdict(const Verdict& verdict) {
  health_->append(dump_json(OrderedJson{{metric::kStep, verdict.step},
                                        {"severity", std::string(to_string(verdict.severity))},
                                        {"code", verdict.code},
                                        {"value", verdict.value},
                                        {"sentence", verdict.sentence},
                                        {"advice", verdict.advice}}) +
                  "\n");
}

void FileSink::flush(int64_t /*step*/) {
  metrics_->sync();
  examples_->sync();
  health_->sync();
}

void TensorBoardSink::begin(int64_t /*step*/, int64_t /*total_steps*/) {
  writer_ = std::make_unique<formats::TensorBoardWriter>(folder_);
}

void TensorBoardSink::record(const StepRecord& record) {
  const std::string eval = metric::kEvalPrefix;
  for (const auto& [name, value] : record.values) {
    const bool held_out = name.rfind(eval, 0) == 0;
    writer_->scalar(held_out ? "eval/" + name.substr(eval.size()) : "train/" + name, record.step, value);
  }
  flush(record.step);
}

// Pictures only: metrics.jsonl has every value, so a full disk loses some points here and stops nothing.
void TensorBoardSink::flush(int64_t /*step*/) {
  try {
    writer_->flush();
  } catch (const StorageError& error) {
    if (!warned_) log_warning("finetune", "TensorBoard events are incomplete: ", error.what());
    warned_ = true;
  }
}

void ProgressSink::begin(int64_t step, int64_t total_steps) {
  first_step_ = step;
  progress_ = std::make_unique<Progress>(title_, static_cast<double>(total_steps - step), "steps");
}

void ProgressSink::record(const StepRecord& record) {
  std::string extra;
  for (const char* name : {metric::kLoss, metric::kRewardsMargins, metric::kRewardsAccuracies}) {
    const double* value = record.find(name);
    if (value != nullptr) extra += cat(extra.empty() ? "" : ", ", name, " ", short_number(*value));
  }
  progress_->update(static_cast<double>(record.step - first_step_), extra);
}

void ProgressSink::verdict(const Verdict& verdict) {
  if (verdict.severity == Severity::note) return;
  log_warning("health", "step ", verdict.step, ": ", verdict.sentence, " ", verdict.advice);
}

}  // namespace afina::finetune
