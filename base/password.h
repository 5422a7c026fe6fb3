// SPDX-License-Identifier: Apache-2.0
// Passphrases: argon2id (RFC 9106) by libsodium, how many are hashed at one time, which are refused, and comparing
// secrets. OWASP ASVS 5.0 6.2, 11.4.
#pragma once
#include <chrono>
#include <cstdint>
#include <semaphore>
#include <string>
#include <string_view>

namespace afina {

/// What a hash costs. The defaults are 64 MiB and 2 passes.
struct PasswordCost {
  uint64_t passes = 2;
  size_t memory_bytes = size_t{64} << 20;
};

/// Thread-safe. Two hashes at one time, so at most 128 MiB; others wait their turn.
class PasswordHasher {
 public:
  explicit PasswordHasher(PasswordCost cost = {}, std::chrono::milliseconds patience = std::chrono::seconds(10));
  /// "$argon2id$v=19$m=…": salt and costs are in it. Throws StorageError, retryable, where no turn came in time or
  /// memory is short.
  std::string hash(const std::string& passphrase) const;
  /// False too for what is no hash. An empty `hash` (nobody of that name) costs the same time and is false.
  bool verify(const std::string& hash, const std::string& passphrase) const;
  /// Made with other costs than ours.
  bool needs_rehash(const std::string& hash) const;

 private:
  PasswordCost cost_;
  std::chrono::milliseconds patience_;
  std::string nobody_;  ///< hash of random words
  mutable std::counting_semaphore<2> turns_{2};
};

inline constexpr size_t kShortestPassphrase = 12, kLongestPassphrase = 128;  ///< code points
/// Throws UsageError "[passphrase] must …" for one that is too short or long, no UTF-8 or holds control characters, is
/// the sign-in name or little more, is one character or a shorter word over and over, neighbours on a keyboard or in
/// the alphabet, or stands in the list of breached ones. No composition rules.
void check_passphrase(std::string_view passphrase, std::string_view name);

/// Whether two secrets are the same, in time that depends on their lengths only.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace afina
