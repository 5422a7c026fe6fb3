// SPDX-License-Identifier: Apache-2.0
// Words of task projects. Their spelling in the database and in JSON never changes.
#pragma once
#include <string_view>

namespace afina::storage {

/// What annotators do with an item: grade a pair, rank N answers, rate them by aspect, write a better one, mark faults.
enum class ProjectKind { pairwise, ranking, rating, rewrite, flagging };
enum class ProjectState { open, paused, finished };
/// What a skip does to the item: others get it; others get it and the person again at the end; nobody gets it any more.
enum class SkipPolicy { requeue_for_others, requeue_for_me, drop };
/// offered: loaded ahead; accepted: on screen; the other three ended.
enum class AssignmentState { offered, accepted, done, skipped, expired };
/// gold: looks like work to the annotator.
enum class Phase { work, training, gold };
enum class ItemSource { import, conversations, review };
/// Where a person stands in a project.
enum class Standing { training, work, training_failed, gold_failed };

std::string_view to_string(ProjectKind value);
std::string_view to_string(ProjectState value);
std::string_view to_string(SkipPolicy value);
std::string_view to_string(AssignmentState value);
std::string_view to_string(Phase value);
std::string_view to_string(ItemSource value);
std::string_view to_string(Standing value);
bool from_string(std::string_view word, ProjectKind& out);
bool from_string(std::string_view word, ProjectState& out);
bool from_string(std::string_view word, SkipPolicy& out);
bool from_string(std::string_view word, AssignmentState& out);
bool from_string(std::string_view word, Phase& out);
bool from_string(std::string_view word, ItemSource& out);
bool from_string(std::string_view word, Standing& out);

}  // namespace afina::storage
