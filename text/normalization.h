// SPDX-License-Identifier: Apache-2.0
// Unicode normalisation forms (UAX #15) and lower case, with the origin of every character kept. The data is of the
// Unicode version that Hugging Face tokenizers 0.23 normalises with: equal ids matter more than the newest letters.
#pragma once
#include "text/mapped_text.h"

namespace afina::text {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// True where text surely is in the form already (ASCII, and Latin-1 for NFC); false says nothing.
bool is_surely_normal(std::string_view text, NormalForm form);
MappedText normalize(const MappedText& text, NormalForm form);
/// Character by character, as Rust's char::to_lowercase (no final sigma).
MappedText lowercase(const MappedText& text);

}  // namespace afina::text
