// SPDX-License-Identifier: Apache-2.0
#include "finetune/run_sink.h"

namespace afina::finetune {

const double* StepRecord::find(const std::string& name) const {
  for (const auto& [key, value] : values) {
    if (key == name) return &value;
  }
  return nullptr;
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
void SinkList::flush(int64_t step) {
  for (auto& sink : sinks_)
    sink->flush(step);
}

}  // namespace afina::finetune
