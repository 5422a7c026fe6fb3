// SPDX-License-Identifier: Apache-2.0
// What people chose to say about themselves: country, languages, dialect, age band. Never required, overwritten in
// place (an audit row says that it was, not what), gone when they withdraw. Reports use it in groups of five or more
// only.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct Profile {
  std::string country;                 ///< ISO 3166-1 alpha-2, capitals; may be empty
  std::vector<std::string> languages;  ///< BCP 47, at most 16
  std::string dialect;                 ///< a word or two, at most 64 bytes
  std::string age_band;                ///< one of kAgeBands; may be empty
  std::optional<Time> updated_at;      ///< nothing: never told
  bool empty() const { return country.empty() && languages.empty() && dialect.empty() && age_band.empty(); }
};
inline constexpr std::string_view kAgeBands[] = {"18-24", "25-34", "35-44", "45-54", "55-64", "65+"};

/// Of the visitor's annotator; an empty one where nothing was told. Throws NotFound for an unknown visitor.
Profile get_profile(Transaction& t, const std::string& visitor_id);
/// Overwrites; an empty one deletes. Throws NotFound for an unknown or withdrawn visitor, DataError for a country,
/// language or age band out of form.
Profile put_profile(Transaction& t, const std::string& visitor_id, const Profile& profile);

}  // namespace afina::storage
