// SPDX-License-Identifier: Apache-2.0
// The words and shapes of the collector's API: error codes, strict bodies, verdicts. docs/api.md describes them for
// clients. Own API: an unknown field is an error.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "storage/preferences.h"

namespace afina::collector {

/// Codes the page has words for, in every language (site/locales, "error.<code>"). Never change: clients read them.
inline constexpr std::string_view kErrorCodes[] = {"consent_required",
                                                   "consent_outdated",
                                                   "login_required",
                                                   "login_failed",
                                                   "forbidden",
                                                   "wrong_scope",
                                                   "cross_site",
                                                   "lease_lost",
                                                   "already_submitted",
                                                   "draft_stale",
                                                   "invitation_invalid",
                                                   "name_taken",
                                                   "name_refused",
                                                   "name_not_invited",
                                                   "passphrase_weak",
                                                   "scope_missing",
                                                   "url_refused",
                                                   "bad_item",
                                                   "already_member",
                                                   "not_found",
                                                   "bad_request",
                                                   "too_long",
                                                   "too_large",
                                                   "too_slow",
                                                   "conflict",
                                                   "empty",
                                                   "busy",
                                                   "retry_first",
                                                   "vote_first",
                                                   "not_votable",
                                                   "already_revealed",
                                                   "already_voted",
                                                   "key_reused",
                                                   "overloaded",
                                                   "rate_limited",
                                                   "receipt_unknown",
                                                   "storage",
                                                   "internal",
                                                   "upstream_down",
                                                   "upstream_slow",
                                                   "upstream_nonsense",
                                                   "upstream_refused",
                                                   "upstream_busy",
                                                   "upstream_empty",
                                                   "interrupted"};

/// An error with its code.
http::HttpError refusal(int status, const std::string& code, const std::string& message);
/// Every error of `handler` leaves with a code of kErrorCodes; texts of storage errors go to the log only.
http::Handler with_codes(http::Handler handler);

/// Keys of all objects in a body, but of those that bring many things at once.
inline constexpr size_t kMaxBodyKeys = 1'000;

/// The fields of a request's body. Every getter throws HttpError 400 bad_request naming the field.
class Body {
 public:
  /// Throws for what is no object, for a field that is not among `known`, and for more than max_keys keys on all
  /// levels.
  Body(const http::Request& request, std::initializer_list<std::string_view> known, size_t max_keys = kMaxBodyKeys);
  bool has(const char* name) const { return json_.contains(name) && !json_.at(name).is_null(); }
  std::string text(const char* name, size_t max_bytes) const;
  std::string text_or(const char* name, size_t max_bytes, const std::string& otherwise) const;
  int64_t whole(const char* name, int64_t minimum, int64_t maximum) const;
  bool truth(const char* name) const;
  std::vector<std::string> words(const char* name, size_t max_words) const;
  const Json& at(const char* name) const;

 private:
  Json json_;
};

/// The Idempotency-Key header, 1 to 64 printable ASCII characters without blanks. Throws HttpError 400.
std::string idempotency_key(const http::Request& request);
/// A path or body id. Throws NotFound for what is no UUID: it cannot be anybody's row.
std::string require_id(const std::string& text);

/// A verdict as a person gives it, about the left side ("a") and the right ("b").
struct Verdict {
  storage::Outcome outcome = storage::Outcome::graded;
  int left_grade = 0;  ///< 3: left is much better … -3: right is
};
/// -3..3 or "both_good", "both_bad", "cannot_judge". Throws HttpError 400.
Verdict parse_verdict(const Json& value);
/// As the API writes it.
Json verdict_json(storage::Outcome outcome, int left_grade);
/// The stored grade is about the pair's A and B, the person's about left and right; the same sum goes both ways.
inline int flip_unless(bool a_on_left, int grade) {
  return a_on_left ? grade : -grade;
}

}  // namespace afina::collector
