// SPDX-License-Identifier: Apache-2.0
#include "finetune/run_sink.h"

namespace afina::finetune {

const double* StepRecord::find(const std::string& name) const {
  for (const auto& [key, value] : values) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string_view to_string(Severity severity) {
  return severity == Severity::note ? "note" : severity == Severity::warning ? "warning" : "error";
}

void SinkList::begin(int64_t step, int64_t total_steps) {
  for (auto& sink : sinks_)
    sink->begin(step, total_steps);
}
void SinkList::examples(int64_t step, const std::vector<ExampleLoss>& losses) {
  for (auto& sink : sinks_)
    sink->examples(step, losses);
}
void SinkList::record(const StepRecord& record) {
  for (auto& sink : sinks_)
    sink->record(record);
}
void SinkList::verdict(const Verdict& verdict) {
  for (auto& sink : sinks_)
    sink->verdict(verdict);
}
void SinkList::flush(int64_t step) {
  for (auto& sink : sinks_)
    sink->flush(step);
}

}  // namespace afina::finetune
