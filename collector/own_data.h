// SPDX-License-Identifier: Apache-2.0
// What somebody gave, as one JSON document, written a batch of rows at a time.
#pragma once
#include <functional>
#include <string_view>

namespace afina::storage {
class Database;
struct Visitor;
}  // namespace afina::storage

namespace afina::collector {

/// Rows read and written at one time. Each batch is a transaction of its own: a client that reads slowly holds none.
inline constexpr size_t kOwnDataRows = 50;

/// `{"visitor", "purposes", …}` with every kind of storage::own_data_kinds as a list, `account` and `profile` as an
/// object or null. Ends early where `write` says false: its client is gone. What is given while it is being written may
/// be missing. Throws StorageError.
void write_own_data(storage::Database& database, const storage::Visitor& visitor,
                    const std::function<bool(std::string_view)>& write);

}  // namespace afina::collector
