// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/pseudonyms.h"

#include "base/hash.h"
#include "base/hmac.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostKnown = 65'536, kSaltBytes = 32, kPseudonymDigits = 32;

}  // namespace

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
