// SPDX-License-Identifier: Apache-2.0
// Lists: which page, which rows, and filtering and sorting of the runs table. Pure functions.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "gui/view_model/data.h"

namespace afina::gui {

/// 1 for an empty list. Throws InternalError for page_size < 1.
int64_t page_count(int64_t total, int64_t page_size);
/// The nearest page that exists.
int64_t clamp_page(int64_t page, int64_t total, int64_t page_size);

struct RowRange {
  int64_t first = 0;  ///< from 1, as people count; 0 for an empty list
  int64_t last = 0;
  bool operator==(const RowRange&) const = default;
};
/// "51 to 100 of 240".
RowRange rows_on_page(int64_t page, int64_t total, int64_t page_size);

enum class RunColumn { name, method, state, step, loss, margin, accuracy, speed, created };

/// Indices into `runs` of those whose name, id, method, state or model holds `filter` (case of A–Z ignored), ordered by
/// `column`. Ties keep their order; a run without the value stands last in both directions.
std::vector<size_t> filter_and_sort_runs(const std::vector<RunRow>& runs, std::string_view filter, RunColumn column,
                                         bool descending);

}  // namespace afina::gui
