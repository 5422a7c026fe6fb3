// SPDX-License-Identifier: Apache-2.0
// Tasks between JSON and the store. On the wire an annotator's verdict is about sides as shown ("a" is the leftmost);
// reviewers and engineers speak of answers in their own order, by the same letters.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "collector/wire.h"
#include "storage/tasks/adjudication.h"
#include "storage/tasks/items.h"
#include "storage/tasks/submissions.h"

namespace afina::collector {

/// "a", "b", … of the first n.
std::vector<std::string> side_letters(size_t n);

/// Settings of POST /api/projects. Throws HttpError 400.
storage::ProjectSettings read_settings(const Body& body);
/// Everything; without what would help to tell gold for those who are not to know.
Json project_json(const storage::Project& project, bool with_gold);
Json project_line_json(const storage::ProjectLine& line);

/// "items" of POST …/items. Throws HttpError 400 naming the item and field.
std::vector<storage::NewItem> read_items(const Body& body);

/// Nothing in it tells gold from work.
Json task_json(const storage::Task& task);
/// The submission of a task; sides are those of `sides` answers. Throws HttpError 400.
storage::NewSubmission read_submission(const Body& body, storage::ProjectKind kind, size_t sides);
Json feedback_json(const storage::Feedback& feedback);

/// The verdict of {outcome} | {tiers} | {ratings} | {flags} about answers in their own order, or of {submission}, a
/// chosen rewrite; the rest is left as it is. Throws HttpError 400.
storage::NewAdjudication read_adjudication(const Body& body);
/// An item with what was said about it, for reviewers.
Json item_json(const storage::ItemView& item, storage::ProjectKind kind);

}  // namespace afina::collector
