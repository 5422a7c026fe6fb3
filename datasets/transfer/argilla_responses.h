// SPDX-License-Identifier: Apache-2.0
// Who answered what in a record of Argilla, whichever way the record was written down.
#pragma once
#include <string>
#include <vector>

#include "datasets/transfer/parsers.h"

namespace afina::datasets {

struct ArgillaResponse {
  std::string question, annotator;
  Json value;
};

/// The submitted answers of a record: v1's list of people, v2's lists by question, v2's columns "question.responses",
/// and v1's columns for Hugging Face (a list of {user_id, value, status}, or one such object of lists). With
/// suggestions those of models too, by "agent:NAME". Somebody without a name is "#1", "#2" by their place.
std::vector<ArgillaResponse> argilla_responses(const Json& row, bool suggestions);
/// What was annotated: "fields", or the columns that are neither questions nor bookkeeping.
OrderedJson argilla_fields(const Json& row);
/// What its metadata says; "" for nothing.
std::string argilla_locale(const Json& row);

}  // namespace afina::datasets
