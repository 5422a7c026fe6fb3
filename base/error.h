// SPDX-License-Identifier: Apache-2.0
// The one exception type of Afina, and the one table that maps its kind to an exit code, an HTTP status and a word.
// Message form: "[where] what must hold, but got what. Hint: what to do". Thrown where the fault is seen, handled once.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/cat.h"

namespace afina {

enum class ErrorKind { usage, not_found, conflict, data, storage, model, cancelled, internal };

/// Word used in JSON ("usage", "not_found", …). Never changes: clients read it.
std::string_view to_string(ErrorKind kind);
/// Process exit code: usage 2, data 3, storage 4, model 5, internal 70, cancelled 130, not_found and conflict 1.
int exit_code(ErrorKind kind);
/// HTTP status: usage 400, not_found 404, conflict 409, data 422, storage 503, cancelled 499, others 500.
int http_status(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  /// message must follow the form above, hint may be empty and is appended as " Hint: …".
  Error(ErrorKind kind, const std::string& message, const std::string& hint = "");
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// One class a kind, so that a catch can be as narrow as it must be.
template <ErrorKind K>
class KindError : public Error {
 public:
  explicit KindError(const std::string& message, const std::string& hint = "") : Error(K, message, hint) {}
};

using UsageError = KindError<ErrorKind::usage>;
using NotFound = KindError<ErrorKind::not_found>;
using Conflict = KindError<ErrorKind::conflict>;
using DataError = KindError<ErrorKind::data>;
using ModelError = KindError<ErrorKind::model>;
using Cancelled = KindError<ErrorKind::cancelled>;
using InternalError = KindError<ErrorKind::internal>;

/// PostgreSQL or the file system failed. retryable(): the same call may succeed later.
class StorageError : public KindError<ErrorKind::storage> {
 public:
  explicit StorageError(const std::string& message, const std::string& hint = "", bool retryable = false,
                        std::string sqlstate = "")
      : KindError(message, hint), retryable_(retryable), sqlstate_(std::move(sqlstate)) {}
  bool retryable() const { return retryable_; }
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  bool retryable_;
  std::string sqlstate_;
};

/// Prints "error: …" for any exception to stderr and returns its exit code (70 for foreign ones). For main().
int report_exception(const std::exception& error);

/// The name in `known` nearest to `name` by edit distance, or "" where nothing is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message);

}  // namespace afina

/// Programmer errors only, never reachable by user input.
#define AFINA_CHECK(condition, ...)                                                                     \
  do {                                                                                                  \
    if (!(condition)) ::afina::check_failed(#condition, __FILE__, __LINE__, ::afina::cat(__VA_ARGS__)); \
  } while (false)
