// SPDX-License-Identifier: Apache-2.0
// Parts that the bodies of chat and legacy completions share, and one object more than OpenAI's, `afina`: the exact ids
// and the identities behind an answer, for lineage.
#pragma once
#include <string>

#include "serve/answer.h"

namespace afina::serve {

/// {"id", "object", "created", "model", "system_fingerprint"}.
OrderedJson frame_json(const Answer& answer, const char* object);
/// A prompt counts once, however many answers it has.
OrderedJson usage_json(const Answer& answer);
OrderedJson afina_json(const Answer& answer);
OrderedJson text_or_null(const std::string& text);
/// A token's raw bytes; "" for an id the tokenizer does not know.
std::string token_bytes(const text::Tokenizer& tokenizer, int id);

}  // namespace afina::serve
