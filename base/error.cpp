// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace afina {
namespace {

struct KindRow {
  ErrorKind kind;
  std::string_view word;
  int exit_code;
  int http_status;
};

constexpr std::array<KindRow, 8> kKinds{{
    {ErrorKind::usage, "usage", 2, 400},
    {ErrorKind::not_found, "not_found", 1, 404},
    {ErrorKind::conflict, "conflict", 1, 409},
    {ErrorKind::data, "data", 3, 422},
    {ErrorKind::storage, "storage", 4, 503},
    {ErrorKind::model, "model", 5, 500},
    {ErrorKind::cancelled, "cancelled", 130, 499},
    {ErrorKind::internal, "internal", 70, 500},
}};

const KindRow& row(ErrorKind kind) {
  return kKinds[static_cast<size_t>(kind)];
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
    }
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::string_view to_string(ErrorKind kind) {
  return row(kind).word;
}

int exit_code(ErrorKind kind) {
  return row(kind).exit_code;
}

int http_status(ErrorKind kind) {
  return row(kind).http_status;
}

Error::Error(ErrorKind kind, const std::string& message, const std::string& hint)
    : std::runtime_error(hint.empty() ? message : message + " Hint: " + hint), kind_(kind) {}

int report_exception(const std::exception& error) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", error.what());
  const auto* ours = dynamic_cast<const Error*>(&error);
  return exit_code(ours != nullptr ? ours->kind() : ErrorKind::internal);
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = name.size() / 2 + 2;
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(cat("[", file, ":", line, "] must have ", condition, ", but it does not hold. ", message));
}

}  // namespace afina
