// SPDX-License-Identifier: Apache-2.0
// The groups of routes about tasks, each in a file of its own.
#pragma once
#include <string>
#include <vector>

#include "collector/services.h"
#include "storage/tasks/items.h"

namespace afina::collector {

inline constexpr Access kMembersAndAuditors{Who::annotator, Who::reviewer, Who::engineer, Who::admin, Who::auditor};

void add_project_routes(RouteTable& routes, Services& services);  // routes_projects.cpp
void add_item_routes(RouteTable& routes, Services& services);     // routes_items.cpp
void add_work_routes(RouteTable& routes, Services& services);     // routes_work.cpp
void add_review_routes(RouteTable& routes, Services& services);   // routes_review.cpp

/// A run's example losses are in the database once somebody asked for its review queue: read from examples.jsonl of the
/// run's folder, the last loss of each row. run_id empty: the newest run that has them. Returns the run's id. Throws
/// NotFound where neither table nor file has any.
std::string bring_example_losses(storage::Database& database, const std::string& run_id);
/// The last loss of each row of an examples.jsonl, by row. Broken lines are passed over: a run may be writing the file.
/// Throws StorageError for a file over max_bytes.
std::vector<storage::ExampleLossRow> read_example_losses(const std::string& path, uintmax_t max_bytes = 4ULL << 30);

}  // namespace afina::collector
