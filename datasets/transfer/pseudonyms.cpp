// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/pseudonyms.h"

#include "base/hash.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostKnown = 65'536, kSaltBytes = 32, kBlockBytes = 64, kPseudonymDigits = 32;

}  // namespace

std::string hmac_sha256_hex(std::string_view key, std::string_view text) {
  std::string block(key);
  if (block.size() > kBlockBytes) {
    Sha256 digest;
    digest.update(key);
    const auto bytes = digest.finish();
    block.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  block.resize(kBlockBytes, '\0');
  const auto keyed = [&](unsigned char mask, std::string_view rest) {
    std::string head = block;
    for (char& c : head)
      c = static_cast<char>(static_cast<unsigned char>(c) ^ mask);
    Sha256 digest;
    digest.update(head);
    digest.update(rest);
    return digest.finish();
  };
  const auto inner = keyed(0x36, text);
  return hex(keyed(0x5c, {reinterpret_cast<const char*>(inner.data()), inner.size()}));
}

Pseudonyms::Pseudonyms() : salt_(random_hex(kSaltBytes)) {}

const std::string& Pseudonyms::of(std::string_view annotator_id) {
  std::string key(annotator_id);
  const auto found = known_.find(key);
  if (found != known_.end()) return found->second;
  if (known_.size() >= kMostKnown) known_.clear();
  std::string name = hmac_sha256_hex(salt_, key).substr(0, kPseudonymDigits);
  return known_.emplace(std::move(key), std::move(name)).first->second;
}

std::string Pseudonyms::salt_sha256() const {
  return sha256_hex(salt_);
}

}  // namespace afina::datasets
