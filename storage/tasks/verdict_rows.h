// SPDX-License-Identifier: Apache-2.0
// Verdicts as rows hold them. Private to storage/tasks/.
#pragma once
#include <string>
#include <vector>

#include "storage/tasks/verdict.h"
#include "storage/transaction.h"

namespace afina::storage {

/// Columns outcome, grade, tiers of a submission or an adjudication.
TaskVerdict read_verdict(const Row& row);
/// How far the submissions on an item part that stand.
Spread spread_of_item(Transaction& t, ProjectKind kind, const std::string& item_id);

}  // namespace afina::storage
