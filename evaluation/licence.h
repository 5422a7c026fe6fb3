// SPDX-License-Identifier: Apache-2.0
// What a base model's licence asks of whoever publishes something made from it. The Llama community licences (2, 3,
// 3.1, 3.2, 3.3, section 1.b) ask for a copy of the agreement, a notice, words on the page and, from 3 on, a name that
// begins with theirs. Duties are met or the export is refused; this is no legal advice.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace afina::evaluation {

struct Licence {
  std::string id = "unknown";  ///< as on model cards: "apache-2.0", "llama3.1", …
  std::string found_in;        ///< where it was read: "--license", "README.md", "general.license", …
};

/// What is asked for one family of licences.
struct LicenceDuties {
  std::string name_prefix;  ///< "Llama"; empty: none
  std::string notice;       ///< content of the NOTICE file; empty: none
  std::string words;        ///< "Built with Llama"; empty: none
  std::string agreement;    ///< title of the agreement of which a copy must go along; empty: none
};

/// given: what the user said ("" where nothing); base: a folder or GGUF. Reads the folder's README.md front matter, its
/// LICENSE file's title, or general.license. Throws ModelError where nothing says it and the weights have the shape of
/// Llama 3 (vocabulary of 128,256): guessing would break duties.
Licence find_licence(const std::string& given, const std::filesystem::path& base);
LicenceDuties duties_of(const Licence& licence);
/// The agreement's files of the base folder (LICENSE*, USE_POLICY.md).
std::vector<std::filesystem::path> licence_files(const std::filesystem::path& base);
/// A name of the user's must begin with the prefix (UsageError with one that does); a default one gets it.
std::string name_with_prefix(const std::string& name, bool given_by_user, const LicenceDuties& duties);

}  // namespace afina::evaluation
