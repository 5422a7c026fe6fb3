// SPDX-License-Identifier: Apache-2.0
// Who may use a server: bearer keys, kept as digests and compared in constant time. No accounts, no scopes.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace afina::serve {

/// Immutable; any thread may use it.
class ApiKeys {
 public:
  /// No keys: everybody may.
  ApiKeys() = default;
  /// Throws UsageError for a key shorter than 16 characters or with characters that a header cannot carry.
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool empty() const { return digests_.empty(); }
  /// Throws http::HttpError 401 invalid_api_key where "Authorization: Bearer KEY" is missing or has another key.
  void require(const http::Request& request) const;

 private:
  bool accepts(std::string_view key) const;
  std::vector<std::array<uint8_t, 32>> digests_;
};

/// The keys of a file, one a line (empty path: none), and the one in the environment variable (null or "": none).
/// Throws StorageError or NotFound where the file cannot be read, UsageError where others than its owner can read it,
/// or where it holds no key.
ApiKeys load_api_keys(const std::filesystem::path& file, const char* from_environment);

}  // namespace afina::serve
