// SPDX-License-Identifier: Apache-2.0
// Items of a project whose answer is known: what estimates of annotators are held fixed at.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace afina::storage {

class Transaction;

struct KnownAnswer {
  std::string item_id;
  Json gold;                         ///< as verdict_from_json reads it
  std::vector<std::string> answers;  ///< generations by position
};
/// Known answers among the work; those of the training phase are not there, since training says nothing about people.
std::vector<KnownAnswer> known_answers(Transaction& t, const std::string& project_id);

}  // namespace afina::storage
