// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/types.h"

#include <array>

namespace afina::storage {
namespace {

template <size_t N>
using Words = std::array<std::string_view, N>;

constexpr Words<5> kProjectKinds = {"pairwise", "ranking", "rating", "rewrite", "flagging"};
constexpr Words<3> kProjectStates = {"open", "paused", "finished"};
constexpr Words<3> kSkipPolicies = {"requeue_for_others", "requeue_for_me", "drop"};
constexpr Words<5> kAssignmentStates = {"offered", "accepted", "done", "skipped", "expired"};
constexpr Words<3> kPhases = {"work", "training", "gold"};
constexpr Words<3> kItemSources = {"import", "conversations", "review"};
constexpr Words<4> kStandings = {"training", "work", "training_failed", "gold_failed"};

template <size_t N, typename E>
bool find(const Words<N>& words, std::string_view word, E& out) {
  for (size_t i = 0; i < N; ++i) {
    if (words[i] != word) continue;
    out = static_cast<E>(i);
    return true;
  }
  return false;
}

template <size_t N, typename E>
std::string_view spell(const Words<N>& words, E value) {
  return words.at(static_cast<size_t>(value));
}

}  // namespace

std::string_view to_string(ProjectKind value) {
  return spell(kProjectKinds, value);
}
std::string_view to_string(ProjectState value) {
  return spell(kProjectStates, value);
}
std::string_view to_string(SkipPolicy value) {
  return spell(kSkipPolicies, value);
}
std::string_view to_string(AssignmentState value) {
  return spell(kAssignmentStates, value);
}
std::string_view to_string(Phase value) {
  return spell(kPhases, value);
}
std::string_view to_string(ItemSource value) {
  return spell(kItemSources, value);
}
std::string_view to_string(Standing value) {
  return spell(kStandings, value);
}
bool from_string(std::string_view word, ProjectKind& out) {
  return find(kProjectKinds, word, out);
}
bool from_string(std::string_view word, ProjectState& out) {
  return find(kProjectStates, word, out);
}
bool from_string(std::string_view word, SkipPolicy& out) {
  return find(kSkipPolicies, word, out);
}
bool from_string(std::string_view word, AssignmentState& out) {
  return find(kAssignmentStates, word, out);
}
bool from_string(std::string_view word, Phase& out) {
  return find(kPhases, word, out);
}
bool from_string(std::string_view word, ItemSource& out) {
  return find(kItemSources, word, out);
}
bool from_string(std::string_view word, Standing& out) {
  return find(kStandings, word, out);
}

}  // namespace afina::storage
