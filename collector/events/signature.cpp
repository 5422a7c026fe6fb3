// SPDX-License-Identifier: Apache-2.0
#include "collector/events/signature.h"

#include "base/cat.h"
#include "base/hmac.h"

namespace afina::collector {

std::string webhook_signature(std::string_view secret, int64_t unix_time, std::string_view body) {
  return cat("t=", unix_time, ",v1=", hmac_sha256_hex(secret, cat(unix_time, ".", body)));
}

}  // namespace afina::collector
