// SPDX-License-Identifier: Apache-2.0
// What became of the rows of a data set: shown to the person, stored with a cache of ids, never hidden.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace afina::datasets {

struct EncodeReport {
  int64_t rows = 0;                        ///< read
  int64_t kept = 0;                        ///< examples; of rows in pieces, the pieces
  int64_t long_prompts = 0;                ///< dropped: the prompt alone fills max_length
  int64_t without_targets = 0;             ///< dropped: nothing to train
  int64_t ties = 0;                        ///< dropped by label_mode=hard
  int64_t long_rows = 0;                   ///< dropped by long_rows=drop, or beyond the model's context
  int64_t truncated = 0;                   ///< kept, but cut at max_length
  int64_t over_length = 0;                 ///< kept whole, above max_length
  int64_t pieces = 0;                      ///< examples that are a part of a row, or of several
  int64_t unpaired = 0;                    ///< rows that were made of pairs, two of each
  int64_t merged_boundaries = 0;           ///< kept; a token spans the end of the prompt and counts as answer
  int64_t tokens = 0, targets = 0;         ///< of the kept rows
  std::vector<std::string> first_dropped;  ///< where the first few dropped rows stand, with the reason

  /// "76 of 80 rows kept; 3 dropped: the prompt alone fills max_length; …".
  std::string summary() const;
};

Json to_json(const EncodeReport& report);
/// Throws DataError for anything that to_json() does not write.
EncodeReport report_from_json(const Json& json, const std::string& where);

}  // namespace afina::datasets
