// SPDX-License-Identifier: Apache-2.0
// Which words somebody agreed to.
#pragma once
#include <string>

namespace afina::storage {

class Transaction;

struct AgreedText {
  std::string version, locale, sha256;
};

/// The text of that consent event. Throws NotFound for an id that is none.
AgreedText agreed_text(Transaction& t, const std::string& consent_event_id);

}  // namespace afina::storage
