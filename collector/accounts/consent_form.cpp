// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/consent_form.h"

#include <algorithm>

#include "base/cat.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxPurposes = 16;

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

void check_purposes(const ConsentDocument& document, const std::vector<std::string>& purposes) {
  for (const std::string& purpose : purposes) {
    if (contains(document.purposes, purpose)) continue;
    throw refusal(400, "bad_request", cat("[body] purposes must be ones of the text, but got \"", purpose, "\"."));
  }
  for (const std::string& purpose : document.required) {
    if (contains(purposes, purpose)) continue;
    throw refusal(400, "bad_request",
                  cat("[body] purposes must hold \"", purpose, "\", without which nothing is kept."));
  }
}

}  // namespace

ConsentForm read_consent(const Body& body, const std::map<std::string, ConsentDocument>& documents,
                         bool adult_required) {
  const auto found = documents.find(body.text("locale", 16));
  if (found == documents.end()) throw refusal(400, "bad_request", "[body] locale must be one that has a consent text.");
  const ConsentDocument& document = found->second;
  if (body.text("consent_version", 64) != document.version || body.text("consent_sha256", 64) != document.sha256) {
    throw refusal(409, "consent_outdated", "[consent] must be to the text as it is now, but that text has changed.");
  }
  if (adult_required && !body.truth("adult")) {
    throw refusal(400, "bad_request", "[body] adult must be true to take part.");
  }
  ConsentForm form{&document, body.words("purposes", kMaxPurposes)};
  check_purposes(document, form.purposes);
  return form;
}

storage::NewVisitor visitor_of(const ConsentForm& form) {
  storage::NewVisitor visitor;
  visitor.locale = form.document->locale;
  visitor.receipt_code = storage::new_receipt_code();
  visitor.consent.purposes = form.purposes;
  return visitor;
}

void store_visitor(storage::Transaction& t, const ConsentForm& form, storage::NewVisitor visitor) {
  const ConsentDocument& document = *form.document;
  visitor.consent.text_id = storage::ensure_consent_text(t, document.version, document.locale, document.body).id;
  storage::create_visitor(t, visitor);
}

}  // namespace afina::collector
