// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), streamed or at once. Lower-case hex everywhere.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace afina {

/// Incremental SHA-256. Not thread-safe; one object a digest.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view bytes);
  void update(const void* data, size_t size_bytes);
  /// The digest so far; the object must not be updated afterwards.
  std::array<uint8_t, 32> finish();
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);
/// Streams the file. Throws StorageError where it cannot be read.
std::string sha256_file_hex(const std::string& path);
std::string hex(std::span<const uint8_t> bytes);
/// n bytes from the system's generator, as hex. For tokens and keys.
std::string random_hex(size_t n_bytes);

}  // namespace afina
