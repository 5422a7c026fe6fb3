// SPDX-License-Identifier: Apache-2.0
#include "gui/view_model/paging.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"

namespace afina::gui {

int64_t page_count(int64_t total, int64_t page_size) {
  AFINA_CHECK(page_size >= 1, "page_size ", page_size);
  return std::max<int64_t>(1, (total + page_size - 1) / page_size);
}

int64_t clamp_page(int64_t page, int64_t total, int64_t page_size) {
  return std::clamp<int64_t>(page, 0, page_count(total, page_size) - 1);
}

RowRange rows_on_page(int64_t page, int64_t total, int64_t page_size) {
  if (total <= 0) return {};
  const int64_t first = clamp_page(page, total, page_size) * page_size;
  return {first + 1, std::min(first + page_size, total)};
}

namespace {

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool holds(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

std::optional<double> number_of(const RunRow& run, RunColumn column) {
  switch (column) {
    case RunColumn::step:
      return static_cast<double>(run.step);
    case RunColumn::loss:
      return run.loss;
    case RunColumn::margin:
      return run.margin;
    case RunColumn::accuracy:
      return run.accuracy;
    case RunColumn::speed:
      return run.tokens_per_second;
    case RunColumn::created:
      return std::chrono::duration<double>(run.created_at.time_since_epoch()).count();
    default:
      return std::nullopt;
  }
}

const std::string& text_of(const RunRow& run, RunColumn column) {
  if (column == RunColumn::method) return run.method;
  return column == RunColumn::state ? run.state : run.name;
}

}  // namespace

std::vector<size_t> filter_and_sort_runs(const std::vector<RunRow>& runs, std::string_view filter, RunColumn column,
                                         bool descending) {
  std::vector<size_t> order;
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunRow& run = runs[i];
    const bool match = holds(run.name, filter) || holds(run.id, filter) || holds(run.method, filter) ||
                       holds(run.state, filter) || holds(run.model, filter);
    if (match) order.push_back(i);
  }
  const bool textual = column == RunColumn::name || column == RunColumn::method || column == RunColumn::state;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (textual) {
      const int compared = text_of(runs[a], column).compare(text_of(runs[b], column));
      return descending ? compared > 0 : compared < 0;
    }
    const auto x = number_of(runs[a], column), y = number_of(runs[b], column);
    if (!x || !y) return x.has_value() && !y.has_value();
    return descending ? *x > *y : *x < *y;
  });
  return order;
}

}  // namespace afina::gui
