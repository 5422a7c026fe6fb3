// SPDX-License-Identifier: Apache-2.0
// Unicode 16 classes of code points as sorted ranges (general categories L and N, property White_Space), and what
// Rust's is_numeric adds to N. Only what pre-tokenizers ask; no case mapping, no normalisation.
#pragma once
#include <cstdint>
#include <span>

namespace afina::text {

/// Code points first … last, both included.
struct CodePointRange {
  char32_t first;
  char32_t last;
};

std::span<const CodePointRange> letter_ranges();
std::span<const CodePointRange> number_ranges();
/// Numeric in Unicode 17, which Hugging Face's Digits pre-tokenizer uses, but not in number_ranges().
std::span<const CodePointRange> numeric_extra_ranges();
std::span<const CodePointRange> white_space_ranges();

}  // namespace afina::text
