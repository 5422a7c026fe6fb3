// SPDX-License-Identifier: Apache-2.0
// The consent documents of site/consent/, one a language, with the operator's name filled in; and the page's files.
// What was shown, what is hashed and what is stored are the same bytes.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace afina::collector {

inline constexpr std::string_view kLocales[] = {"es", "pt", "en"};
bool is_locale(std::string_view name);

struct ConsentDocument {
  std::string locale;
  std::string version;  ///< the file's, "+" and 8 digits of the hash: other words are another version
  std::string body;     ///< JSON as shown and stored
  std::string sha256;   ///< of body
  Json json;
  std::vector<std::string> required, purposes;  ///< ids
};

/// Throws InternalError where a document of the program is broken.
std::map<std::string, ConsentDocument> load_consent_documents(const std::string& operator_name,
                                                              const std::string& contact);

/// A file of the page by its path in site/, or "". Lives as long as the program.
std::string_view site_file(std::string_view name);
/// All of them.
std::vector<std::string_view> site_files();

}  // namespace afina::collector
