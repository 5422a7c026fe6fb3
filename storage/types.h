// SPDX-License-Identifier: Apache-2.0
// Words and small types that several stores share. Their spelling in the database and in JSON never changes.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.h"

namespace afina::storage {

using Time = std::chrono::system_clock::time_point;  ///< UTC, microseconds

/// Where a row came from.
enum class Source { web, api, demo, import };
enum class Mode { chat, arena };
/// graded has a grade; retracted takes back what it supersedes.
enum class Outcome { graded, both_good, both_bad, cannot_judge, retracted };
enum class RunKind { sft, dpo, kto, cpo, orpo, bco, reward };
enum class RunState { queued, running, finished, failed, cancelled };

std::string_view to_string(Source value);
std::string_view to_string(Mode value);
std::string_view to_string(Outcome value);
std::string_view to_string(RunKind value);
std::string_view to_string(RunState value);
bool from_string(std::string_view word, Source& out);
bool from_string(std::string_view word, Mode& out);
bool from_string(std::string_view word, Outcome& out);
bool from_string(std::string_view word, RunKind& out);
bool from_string(std::string_view word, RunState& out);

}  // namespace afina::storage
