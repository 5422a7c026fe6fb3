// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/types.h"

#include "base/words.h"

namespace afina::storage {
namespace {

constexpr Words<ProjectKind, 5> kProjectKinds{{{ProjectKind::pairwise, "pairwise"},
                                               {ProjectKind::ranking, "ranking"},
                                               {ProjectKind::rating, "rating"},
                                               {ProjectKind::rewrite, "rewrite"},
                                               {ProjectKind::flagging, "flagging"}}};
constexpr Words<ProjectState, 3> kProjectStates{
    {{ProjectState::open, "open"}, {ProjectState::paused, "paused"}, {ProjectState::finished, "finished"}}};
constexpr Words<SkipPolicy, 3> kSkipPolicies{{{SkipPolicy::requeue_for_others, "requeue_for_others"},
                                              {SkipPolicy::requeue_for_me, "requeue_for_me"},
                                              {SkipPolicy::drop, "drop"}}};
constexpr Words<AssignmentState, 5> kAssignmentStates{{{AssignmentState::offered, "offered"},
                                                       {AssignmentState::accepted, "accepted"},
                                                       {AssignmentState::done, "done"},
                                                       {AssignmentState::skipped, "skipped"},
                                                       {AssignmentState::expired, "expired"}}};
constexpr Words<Phase, 3> kPhases{{{Phase::work, "work"}, {Phase::training, "training"}, {Phase::gold, "gold"}}};
constexpr Words<ItemSource, 3> kItemSources{
    {{ItemSource::import, "import"}, {ItemSource::conversations, "conversations"}, {ItemSource::review, "review"}}};
constexpr Words<Standing, 4> kStandings{{{Standing::training, "training"},
                                         {Standing::work, "work"},
                                         {Standing::training_failed, "training_failed"},
                                         {Standing::gold_failed, "gold_failed"}}};

}  // namespace

std::string_view to_string(ProjectKind value) {
  return word_of(kProjectKinds, value);
}
std::string_view to_string(ProjectState value) {
  return word_of(kProjectStates, value);
}
std::string_view to_string(SkipPolicy value) {
  return word_of(kSkipPolicies, value);
}
std::string_view to_string(AssignmentState value) {
  return word_of(kAssignmentStates, value);
}
std::string_view to_string(Phase value) {
  return word_of(kPhases, value);
}
std::string_view to_string(ItemSource value) {
  return word_of(kItemSources, value);
}
std::string_view to_string(Standing value) {
  return word_of(kStandings, value);
}
bool from_string(std::string_view word, ProjectKind& out) {
  return value_of(kProjectKinds, word, out);
}
bool from_string(std::string_view word, ProjectState& out) {
  return value_of(kProjectStates, word, out);
}
bool from_string(std::string_view word, SkipPolicy& out) {
  return value_of(kSkipPolicies, word, out);
}
bool from_string(std::string_view word, AssignmentState& out) {
  return value_of(kAssignmentStates, word, out);
}
bool from_string(std::string_view word, Phase& out) {
  return value_of(kPhases, word, out);
}
bool from_string(std::string_view word, ItemSource& out) {
  return value_of(kItemSources, word, out);
}
bool from_string(std::string_view word, Standing& out) {
  return value_of(kStandings, word, out);
}

}  // namespace afina::storage
