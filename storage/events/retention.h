// SPDX-License-Identifier: Apache-2.0
// How long things are kept. Withdrawal hides at once; retention erases: texts of people who withdrew become blank for
// good and leave a tombstone with their hash. Delivered events and dead sessions go.
#pragma once
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

class Database;
class Transaction;

struct RetentionRules {
  int days_withdrawn = 30;  ///< texts of who withdrew longer ago are erased; 0: at the next run; −1: never
  int days_events = 30;     ///< outbox rows without waiting deliveries; −1: for ever
  int days_sessions = 180;  ///< ended or expired sessions of accounts; −1: for ever
};
struct RetentionReport {
  int64_t people = 0;                    ///< whose texts are (or would be) erased
  std::map<std::string, int64_t> texts;  ///< by kind of row
  int64_t events = 0, sessions = 0;
};
/// People who withdrew at least so long ago and still have texts.
std::vector<std::string> people_to_erase(Transaction& t, int days_withdrawn);
/// Rows by kind. Throws StorageError for somebody who has not withdrawn (the database refuses).
std::map<std::string, int64_t> erase_person(Transaction& t, const std::string& visitor_id);
/// apply=false counts only. One transaction a person and an audit row each; may be stopped and repeated at any point.
RetentionReport run_retention(Database& database, const RetentionRules& rules, bool apply);
Json to_json(const RetentionReport& report);

}  // namespace afina::storage
