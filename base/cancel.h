// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM as a stop token: the first asks for a clean stop, the second exits at once with 130.
#pragma once
#include <stop_token>

namespace afina {

/// Installs the handlers once per process and returns the token they trip. Call from main before threads are started.
std::stop_token stop_on_signals();

}  // namespace afina
