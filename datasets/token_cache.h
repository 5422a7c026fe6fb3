// SPDX-License-Identifier: Apache-2.0
// Data sets that were turned into ids once: a folder of mapped files, each named by what it was made of. The next run
// opens one in milliseconds instead of tokenising.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "datasets/encode.h"

namespace afina::datasets {

/// Everything that decides the ids.
struct TokenCacheKey {
  std::string source;     ///< SHA-256 of the file, or a snapshot's with its split and what was withdrawn since
  std::string tokenizer;  ///< SHA-256 of tokenizer and chat template as they were loaded; empty: rows of ids only
  std::string options;    ///< to_string(EncodeRowsOptions), and the form that the rows are read in
  /// SHA-256 of the three and of the format's version.
  std::string sha256() const;
};

/// Turns all rows into records and returns what it wrote.
using BuildRows = std::function<EncodedRows(TokenRecordsWriter&)>;

/// The data set under the key: mapped where a whole file of this key is there, else built and stored, then mapped. A
/// damaged, foreign or older file is replaced with a warning that says why; a folder that cannot be written (full disk,
/// no permission) costs the cache, not the run: a warning, and the rows stay in memory. hit, where not null, tells
/// whether nothing had to be built. Throws what build throws; nothing is left behind then.
EncodedRows cached_rows(const std::filesystem::path& folder, const TokenCacheKey& key, const BuildRows& build,
                        bool* hit = nullptr);

/// Removes the files that were used longest ago until the folder holds at most max_bytes. Never throws: a cache that
/// cannot be trimmed is a warning.
void trim_token_cache(const std::filesystem::path& folder, uint64_t max_bytes);

}  // namespace afina::datasets
