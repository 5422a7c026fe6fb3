// SPDX-License-Identifier: Apache-2.0
// What a server's options mean for its sockets. Internal to http/.
#pragma once
#include "http/connection_loop.h"
#include "http/server.h"

namespace afina::http {

/// Many systems allow a program 1024 descriptors at first and far more where it asks: every stream needs one, and its
/// model another.
void raise_descriptor_limit(const ServerOptions& options);

/// No more connections than a third of the descriptors this process may have.
LoopLimits loop_limits(const ServerOptions& options);

}  // namespace afina::http
