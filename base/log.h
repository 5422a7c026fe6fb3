// SPDX-License-Identifier: Apache-2.0
// Log lines for stderr: level, UTC time, room, message. Never a prompt's or answer's text, never a secret.
#pragma once
#include <string>
#include <string_view>

#include "base/cat.h"

namespace afina {

enum class LogLevel { debug, info, warning, error };

/// Lines below `level` are dropped. Default: info, or AFINA_LOG=debug|info|warning|error as read by main.
void set_log_level(LogLevel level);
/// One line, control characters escaped. Thread-safe.
void log_line(LogLevel level, std::string_view room, const std::string& message);

template <typename... Parts>
void log_info(std::string_view room, const Parts&... parts) {
  log_line(LogLevel::info, room, cat(parts...));
}
template <typename... Parts>
void log_warning(std::string_view room, const Parts&... parts) {
  log_line(LogLevel::warning, room, cat(parts...));
}
template <typename... Parts>
void log_error(std::string_view room, const Parts&... parts) {
  log_line(LogLevel::error, room, cat(parts...));
}

}  // namespace afina
