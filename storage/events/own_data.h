// SPDX-License-Identifier: Apache-2.0
// Everything one person gave, of every kind, to hand it back to them: read in two steps, the keys first and then the
// rows by a batch of keys, so that neither memory nor a transaction grows with how much somebody gave.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace afina::storage {

class Transaction;

/// In the order in which they are written: "account", "profile", "consents", "conversations", "messages", "answers",
/// "votes", "rewrites", "notes", "submissions", "drafts", "skips", "verdicts".
std::span<const std::string_view> own_data_kinds();

/// The keys of a visitor's rows of that kind, oldest first. In transactions that see every workspace, for people who
/// gave something in several. Throws InternalError for an unknown kind.
std::vector<std::string> own_data_keys(Transaction& t, std::string_view kind, const std::string& visitor_id);
/// Each row as a JSON object, in the order of `keys`, which are of own_data_keys; rows of anybody else, and rows that
/// went meanwhile, are left out. What models answered is named after its model only where the person was told it.
std::vector<std::string> own_data_rows(Transaction& t, std::string_view kind, const std::string& visitor_id,
                                       std::span<const std::string> keys);

}  // namespace afina::storage
