// SPDX-License-Identifier: Apache-2.0
// A consent as a body gives it: locale, text version and hash, purposes, of age. For visits and for joining.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "collector/consent_texts.h"
#include "collector/wire.h"
#include "storage/people.h"

namespace afina::collector {

struct ConsentForm {
  const ConsentDocument* document = nullptr;  ///< of the collector's own texts
  std::vector<std::string> purposes;
};
/// Throws HttpError 409 consent_outdated for another text than the one shown now, 400 bad_request for the rest.
ConsentForm read_consent(const Body& body, const std::map<std::string, ConsentDocument>& documents,
                         bool adult_required = true);
/// A visitor with a fresh receipt code under that consent; no session token.
storage::NewVisitor visitor_of(const ConsentForm& form);
/// Stores text, visitor and consent event.
void store_visitor(storage::Transaction& t, const ConsentForm& form, storage::NewVisitor visitor);

}  // namespace afina::collector
