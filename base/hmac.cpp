// SPDX-License-Identifier: Apache-2.0
#include "base/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/error.h"
#include "base/hash.h"

namespace afina {

std::string hmac_sha256_hex(std::string_view key, std::string_view message) {
  std::array<uint8_t, 32> digest{};
  const auto* bytes = reinterpret_cast<const uint8_t*>(message.data());
  AFINA_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, message.size(), digest.data(),
                   nullptr) != nullptr,
              "HMAC-SHA-256 takes any bytes");
  return hex(digest);
}

}  // namespace afina
