// SPDX-License-Identifier: Apache-2.0
// The OpenAPI 3.1 document: what the route table knows (method, path, who, scope, body cap, rate class, summary) and
// what openapi/*.json says about bodies and answers, joined by "METHOD /path". Source: OpenAPI Specification 3.1.1.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "collector/route_table.h"

namespace afina::collector {

/// Everything of openapi/*.json: {"schemas": {…}, "routes": {"POST /api/profile": {…}}}. Throws InternalError for a
/// route or a schema that is described twice.
const Json& openapi_parts();
/// The document. A route without a part is in it with its path and access only.
Json openapi_document(const std::vector<RouteSpec>& specs);
/// What does not fit between routes and parts, one line each: nothing where all is well.
std::vector<std::string> openapi_gaps(const std::vector<RouteSpec>& specs);

}  // namespace afina::collector
