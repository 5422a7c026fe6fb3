// SPDX-License-Identifier: Apache-2.0
// How much was collected, in groups of at least k people: smaller groups are counted, never shown. Of conversations and
// votes that stand, of people: not of files, nor of the accounts that brought them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace afina::storage {

class Transaction;

/// No report of this product shows a group of fewer people.
inline constexpr int64_t kSmallestGroup = 5;

struct GroupCount {
  std::string name;  ///< a day "2026-11-21" (UTC), a locale, a country
  int64_t people = 0, conversations = 0, votes = 0;
};
struct GroupCounts {
  std::vector<GroupCount> groups;  ///< those shown, by name
  int64_t suppressed = 0;          ///< how many groups are hidden
};
enum class GroupBy { day, locale, country };
/// Hidden are groups of fewer than `at_least` people, and where there are any, the smallest of the others with them: so
/// that a total from elsewhere less what is shown tells of `at_least` people or more. days: only of the last so many
/// days, today included; 1 … 3660. People who told no country are in no country's group.
GroupCounts group_counts(Transaction& t, const std::string& workspace_id, GroupBy by, int64_t days,
                         int64_t at_least = kSmallestGroup);

}  // namespace afina::storage
