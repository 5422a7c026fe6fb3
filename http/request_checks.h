// SPDX-License-Identifier: Apache-2.0
// What every request must hold before its route's handler sees it. Internal to http/.
#pragma once
#include <string>

#include "http/message.h"
#include "http/server.h"

namespace afina::http {

bool is_loopback(const std::string& host);

/// A page of another site must neither write here (Origin, Sec-Fetch-Site) nor read through a name it points at us
/// (Host). Throws HttpError 421 or 403.
void check_origin(const Request& request, const ServerOptions& options);

/// application/json, in UTF-8 where a charset is named, and no other parameter. Throws HttpError 415.
void check_json_type(const Request& request);

/// Every name once, all of it UTF-8. Throws UsageError.
void check_query(const Request& request);

}  // namespace afina::http
