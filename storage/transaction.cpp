// SPDX-License-Identifier: Apache-2.0
#include "storage/transaction.h"

#include "base/error.h"
#include "base/uuid.h"

namespace afina::storage {

void throw_not_found(const std::string& id, const char* what) {
  throw NotFound(cat("[storage] ", what, " must exist, but '", id.substr(0, 200), "' does not."));
}

void require_uuid(const std::string& id, const char* what) {
  if (!is_uuid(id)) throw_not_found(id, what);
}

}  // namespace afina::storage
