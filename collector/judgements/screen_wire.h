// SPDX-License-Identifier: Apache-2.0
// How the answers stood before a person, as their page tells it beside a vote or a submission.
#pragma once
#include <optional>

#include "collector/wire.h"
#include "storage/judgements/screen.h"

namespace afina::collector {

/// "shown" of a body: {layout, width_px, height_px}; nothing where it is absent. Throws HttpError 400 bad_request for
/// an unknown layout and a size out of range.
std::optional<storage::Screen> read_screen(const Body& body);

}  // namespace afina::collector
