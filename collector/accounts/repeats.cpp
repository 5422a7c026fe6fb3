// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/repeats.h"

#include "base/cat.h"
#include "base/hash.h"
#include "base/hmac.h"
#include "collector/accounts/sign_in.h"
#include "collector/wire.h"

namespace afina::collector {

std::string credential_of(const http::Request& request, const CollectorConfig& config) {
  const std::string bearer = request.headers.get("Authorization");
  return bearer.empty() ? request.cookie(account_cookie_name(config)) : bearer;
}

std::string repeatable_secret(const http::Request& request, const std::string& credential, const std::string& act) {
  if (request.headers.find("Idempotency-Key") == nullptr || credential.empty()) return random_hex(32);
  return hmac_sha256_hex(credential, cat("afina ", act, "\n", idempotency_key(request)));
}

}  // namespace afina::collector
