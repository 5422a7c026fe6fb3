// SPDX-License-Identifier: Apache-2.0
// Details of a judgement between JSON and rows. On the wire they are about sides ("a", "b", … or "only"); which answer
// stands on which side only the server knows.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "collector/wire.h"
#include "storage/judgements/details.h"

namespace afina::collector {

inline constexpr size_t kMaxDetailNoteBytes = 1000;

/// "aspects", "flags", "spans", "reason_language" of a body, each optional. In the result generation_id holds the side,
/// which is one of `sides`; name_answers puts the answer there. Throws HttpError 400 bad_request or too_long.
storage::JudgementDetails read_details(const Body& body, const std::vector<std::string>& sides);

/// Side to answer, for every row. Throws HttpError 400 for a side that is not among them.
void name_answers(storage::JudgementDetails& details, const std::map<std::string, std::string>& answer_of_side);

/// As the API writes them: {aspects, flags, spans, reason_language}. Rows of answers that are on no side are left out.
Json details_json(const storage::JudgementDetails& details, const std::map<std::string, std::string>& answer_of_side);

}  // namespace afina::collector
