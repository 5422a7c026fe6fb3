// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <fstream>
#include <vector>

#include "base/error.h"

namespace afina {

// OpenSSL's, which uses the processor's SHA instructions: 1.7 GB/s where libsodium's portable code makes 0.3. A run's
// first step waits for the digest of its weights.
struct Sha256::State {
  State() : inner(EVP_MD_CTX_new()) {
    if (inner == nullptr || EVP_DigestInit_ex(inner, EVP_sha256(), nullptr) != 1) {
      EVP_MD_CTX_free(inner);
      throw InternalError("[base.hash] SHA-256 must start, but does not.");
    }
  }
  ~State() { EVP_MD_CTX_free(inner); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  EVP_MD_CTX* inner;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  update(bytes.data(), bytes.size());
}

void Sha256::update(const void* data, size_t size_bytes) {
  AFINA_CHECK(EVP_DigestUpdate(state_->inner, data, size_bytes) == 1, "SHA-256 takes bytes");
}

std::array<uint8_t, 32> Sha256::finish() {
  std::array<uint8_t, 32> digest{};
  AFINA_CHECK(EVP_DigestFinal_ex(state_->inner, digest.data(), nullptr) == 1, "SHA-256 ends once");
  return digest;
}

std::string Sha256::finish_hex() {
  return hex(finish());
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

std::string sha256_file_hex(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw StorageError(cat("[base.hash] must read ", path, ", but it cannot be opened."));
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.update(buffer.data(), static_cast<size_t>(in.gcount()));
  }
  return hash.finish_hex();
}

std::string hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string random_hex(size_t n_bytes) {
  AFINA_CHECK(sodium_init() >= 0, "libsodium could not start");
  std::vector<uint8_t> bytes(n_bytes);
  randombytes_buf(bytes.data(), bytes.size());
  return hex(bytes);
}

}  // namespace afina
