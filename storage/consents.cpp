// SPDX-License-Identifier: Apache-2.0
#include "storage/consents.h"

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {

AgreedText agreed_text(Transaction& t, const std::string& consent_event_id) {
  const Result rows = t.exec(
      "SELECT w.version, w.locale, w.sha256 FROM consent_event e JOIN consent_text w ON w.id = e.text_id "
      "WHERE e.id = $1::uuid",
      Params().text(consent_event_id));
  if (rows.empty()) throw NotFound("[storage.consents] a consent event must exist, but does not.");
  return {rows[0].text("version"), rows[0].text("locale"), rows[0].text("sha256")};
}

}  // namespace afina::storage
