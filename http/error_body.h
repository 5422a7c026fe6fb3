// SPDX-License-Identifier: Apache-2.0
// Bodies of refusals that no handler made. Internal to http/.
#pragma once
#include <string>

#include "http/server.h"

namespace afina::http {

/// Of a request that is refused before anybody knows its route; `reason` is one sentence for the client.
Json fault_json(int status, const std::string& reason, const std::string& request_id, ErrorForm form);

}  // namespace afina::http
