// SPDX-License-Identifier: Apache-2.0
// The form of the header that signs a delivery.
#include "collector/events/signature.h"

#include <gtest/gtest.h>

#include "base/hmac.h"

namespace afina::collector {
namespace {

TEST(Signature, CoversTheTimeAndTheBody) {
  EXPECT_EQ(webhook_signature("k", 7, "{}"), "t=7,v1=" + hmac_sha256_hex("k", "7.{}"));
  EXPECT_NE(webhook_signature("k", 7, "{}").substr(4), webhook_signature("k", 8, "{}").substr(4));
}

}  // namespace
}  // namespace afina::collector
