// SPDX-License-Identifier: Apache-2.0
#include "storage/events/profiles.h"

#include <algorithm>

#include "base/error.h"
#include "storage/people.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxLanguages = 16, kMaxTagBytes = 35, kMaxDialectBytes = 64;

bool is_country(const std::string& word) {
  return word.size() == 2 && std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// Letters, digits and single dashes: the form of BCP 47, not its registry.
bool is_language(const std::string& tag) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return tag.size() >= 2 && tag.size() <= kMaxTagBytes && std::ranges::all_of(tag, fits) && !tag.starts_with('-') &&
         !tag.ends_with('-') && tag.find("--") == std::string::npos;
}

void check(const Profile& profile) {
  const auto refuse = [](const std::string& what) { throw DataError(cat("[profile] ", what)); };
  if (!profile.country.empty() && !is_country(profile.country)) {
    refuse("country must be two capitals of ISO 3166-1, but is not.");
  }
  if (profile.languages.size() > kMaxLanguages)
    refuse(cat("languages must be at most ", kMaxLanguages, ", but are more."));
  for (const std::string& tag : profile.languages) {
    if (!is_language(tag)) refuse("languages must be tags such as \"arn\" or \"es-CL\", but one is not.");
  }
  if (profile.dialect.size() > kMaxDialectBytes) {
    refuse(cat("dialect must have at most ", kMaxDialectBytes, " bytes, but has more."));
  }
  if (!profile.age_band.empty() && std::ranges::find(kAgeBands, profile.age_band) == std::end(kAgeBands)) {
    refuse("age_band must be 18-24, 25-34, 35-44, 45-54, 55-64 or 65+, but is not.");
  }
}

// Anybody may say a program's name: what one says of itself would be read and overwritten by the next.
bool shares_its_annotator(Transaction& t, const std::string& annotator_id) {
  return !t.exec("SELECT FROM annotator WHERE id = $1::uuid AND kind IN ('demo', 'service')",
                 Params().text(annotator_id))
              .empty();
}

}  // namespace

Profile get_profile(Transaction& t, const std::string& visitor_id) {
  const Visitor visitor = get_visitor(t, visitor_id);
  if (shares_its_annotator(t, visitor.annotator_id)) return {};
  const Result rows =
      t.exec("SELECT *, to_json(languages) AS tongues FROM annotator_profile WHERE annotator_id = $1::uuid",
             Params().text(visitor.annotator_id));
  if (rows.empty()) return {};
  const Row row = rows.one();
  return {row.text("country"), row.texts("tongues"), row.text("dialect"), row.text("age_band"), row.time("updated_at")};
}

Profile put_profile(Transaction& t, const std::string& visitor_id, const Profile& profile) {
  check(profile);
  // Locked against a withdrawal at the same moment: nothing is told after it.
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec("SELECT annotator_id FROM visitor WHERE id = $1::uuid AND withdrawn_at IS NULL FOR SHARE",
                             Params().text(visitor_id));
  if (rows.empty()) throw_not_found(visitor_id, "a visitor");
  const std::string annotator = rows.one().text("annotator_id");
  const bool shared = shares_its_annotator(t, annotator);
  if (profile.empty() && !shared) {
    t.exec("DELETE FROM annotator_profile WHERE annotator_id = $1::uuid", Params().text(annotator));
    return {};
  }
  if (shared) throw DataError("[profile] must be a person's, or of a program that gave no name, but it gave one.");
  t.exec(
      "INSERT INTO annotator_profile (annotator_id, country, languages, dialect, age_band) VALUES ($1::uuid, $2, "
      "$3::text[], $4, $5) ON CONFLICT (annotator_id) DO UPDATE SET country = excluded.country, languages = "
      "excluded.languages, dialect = excluded.dialect, age_band = excluded.age_band, updated_at = clock_timestamp()",
      Params()
          .text(annotator)
          .text_or_null(profile.country)
          .texts(profile.languages)
          .text_or_null(profile.dialect)
          .text_or_null(profile.age_band));
  return get_profile(t, visitor_id);
}

}  // namespace afina::storage
