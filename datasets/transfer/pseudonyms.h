// SPDX-License-Identifier: Apache-2.0
// Names for people that hold within one export only.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

namespace afina::datasets {

/// HMAC-SHA256 (RFC 2104) of the annotator's id under a random salt, as 32 hex digits. The salt lives as long as this
/// object.
class Pseudonyms {
 public:
  Pseudonyms();
  /// Of a fixed salt, for tests.
  explicit Pseudonyms(std::string salt) : salt_(std::move(salt)) {}
  /// Valid until the next call.
  const std::string& of(std::string_view annotator_id);
  std::string salt_sha256() const;

 private:
  std::string salt_;
  std::unordered_map<std::string, std::string> known_;  ///< bounded: emptied when it is full
};

}  // namespace afina::datasets
