// SPDX-License-Identifier: Apache-2.0
// Which judgements are trained on and which are held out, by prompt and by annotator, from hashes alone: the same
// prompt lands on the same side in every snapshot with that seed, however much data is added. No state, no order of
// rows.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace afina::datasets {

struct SplitOptions {
  uint64_t seed = 0;
  double eval_prompts = 0.0;     ///< share of prompts that is held out, 0..1
  double eval_annotators = 0.0;  ///< share of annotators that is held out, 0..1
};

/// train: neither is held out. The other three are held-out sets of different strength; eval shares neither prompt nor
/// annotator with train, eval_prompt shares annotators, eval_annotator shares prompts.
enum class Split { train, eval, eval_prompt, eval_annotator };

std::string_view to_string(Split split);
bool from_string(std::string_view word, Split& out);

/// Outer white space off, inner white space (Unicode's too) as one space, ASCII letters in lower case: prompts that
/// differ only so are one prompt. Throws nothing; broken UTF-8 is kept.
std::string normalise_prompt(std::string_view prompt);
/// SHA-256 of the normalised prompt.
std::string prompt_hash(std::string_view prompt);

bool prompt_is_held_out(std::string_view prompt, const SplitOptions& options);
bool annotator_is_held_out(std::string_view annotator_id, const SplitOptions& options);
/// Without held-out annotators (share 0), held-out prompts are `eval`. Throws UsageError for a share outside 0..1.
Split split_of(std::string_view prompt, std::string_view annotator_id, const SplitOptions& options);

}  // namespace afina::datasets
