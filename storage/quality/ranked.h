// SPDX-License-Identifier: Apache-2.0
// Pairs that a file's ranking made: snapshots and exports ask the same of them.
#pragma once

namespace afina::storage {

/// SQL of how many answers were ordered at once where the two of `pair` were part of a ranking; 0: they were judged by
/// themselves.
inline constexpr const char* kRankedTogether =
    "coalesce((SELECT max(cardinality(r.generation_ids)) FROM answer_ranking r WHERE r.conversation_id = "
    "pair.conversation_id AND r.turn = pair.turn AND r.generation_ids @> "
    "ARRAY[pair.generation_a_id, pair.generation_b_id]), 0)";

}  // namespace afina::storage
