// SPDX-License-Identifier: Apache-2.0
// PostgreSQL's errors as ours: the only place that knows what an SQLSTATE means for a caller.
#pragma once
#include <string>
#include <string_view>

namespace afina::storage {

/// The first line of a server's message without its level: later lines may hold people's text.
std::string first_line(const std::string& message);

/// Throws the typed error of a server's answer: Conflict, NotFound, DataError, StorageError (retryable where trying
/// again can help) or InternalError for SQL that is wrong. message: as the server said it.
[[noreturn]] void throw_sqlstate(const std::string& sqlstate, const std::string& message, std::string_view sql);

}  // namespace afina::storage
