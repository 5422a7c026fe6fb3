// SPDX-License-Identifier: Apache-2.0
#include "collector/events/signature.h"

#include "base/cat.h"
#include "base/hash.h"

namespace afina::collector {
namespace {

constexpr size_t kBlockBytes = 64;

}  // namespace

std::string hmac_sha256_hex(std::string_view key, std::string_view message) {
  std::string block(key);
  if (block.size() > kBlockBytes) {
    Sha256 shorter;
    shorter.update(key);
    const auto digest = shorter.finish();
    block.assign(digest.begin(), digest.end());
  }
  block.resize(kBlockBytes, '\0');
  const auto padded = [&](unsigned char with) {
    std::string bytes = block;
    for (char& c : bytes)
      c = static_cast<char>(static_cast<unsigned char>(c) ^ with);
    return bytes;
  };
  Sha256 inner;
  inner.update(padded(0x36));
  inner.update(message);
  const auto digest = inner.finish();
  Sha256 outer;
  outer.update(padded(0x5c));
  outer.update(digest.data(), digest.size());
  return outer.finish_hex();
}

std::string webhook_signature(std::string_view secret, int64_t unix_time, std::string_view body) {
  return cat("t=", unix_time, ",v1=", hmac_sha256_hex(secret, cat(unix_time, ".", body)));
}

}  // namespace afina::collector
