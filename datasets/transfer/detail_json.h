// SPDX-License-Identifier: Apache-2.0
// Ratings by aspect, flags and spans as the JSON lists of an export, private to datasets/transfer/.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace afina::datasets {

enum class DetailKind { aspects, flags, spans };

/// Names the answer of a generation id as the members that an entry begins with, such as `"answer":"a",`; "" where the
/// row has one answer only. nullopt: not of this row, left out.
using NameAnswer = std::function<std::optional<std::string_view>(std::string_view generation_id)>;

/// `[{…, "aspect", "value"}]`, `[{…, "kind", "note"}]` or `[{…, "kind", "start", "end", "note"}]`, into `out`, whose
/// memory is used again. packed: a cell as storage/transfer makes them. InternalError for another.
void details_json(DetailKind kind, std::string_view packed, const NameAnswer& name, std::string& out);

}  // namespace afina::datasets
