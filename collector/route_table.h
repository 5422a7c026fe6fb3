// SPDX-License-Identifier: Apache-2.0
// The one list of routes: method, path, who may, scope, body cap, rate class. What is not in it is not answered; a test
// calls every entry as every kind of caller.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "collector/access.h"
#include "http/server.h"

namespace afina::collector {

struct RouteSpec {
  std::string method, pattern;
  Access access = {};  ///< nobody
  std::string scope;   ///< an API token must carry it; "" refuses tokens, but where anyone may
  size_t max_body_bytes = 8 * 1024;
  std::string rate_class = "address";
  bool json_only = true;
  http::ErrorForm error_form = http::ErrorForm::afina;
  std::string summary;  ///< one sentence, for the OpenAPI document
  bool csrf = true;     ///< false: signing in and joining, which bring a secret of their own
  /// The handler's own transaction asks whether a visitor's session still holds (Actor::unchecked_session).
  bool checks_session = false;
};

using ActorHandler = std::function<void(const Actor&, const http::Request&, http::Response&)>;
/// Reads session, token and role of a request; throws HttpError where a credential is given and bad.
using Authenticator = std::function<Actor(const http::Request&, const RouteSpec&)>;
/// Called before the handler with the caller known: limits by person, cross-site checks.
using Admission = std::function<void(const Actor&, const RouteSpec&, const http::Request&)>;
/// Told of a caller who was refused (403) or asked for what is not theirs (404).
using Denial = std::function<void(const Actor&, const RouteSpec&, const http::Request&, int status)>;

/// Filled before the server starts. The server outlives it; so does what handlers refer to.
class RouteTable {
 public:
  RouteTable(http::Server& server, Authenticator authenticate, Admission admit, Denial denied = {})
      : server_(server), authenticate_(std::move(authenticate)), admit_(std::move(admit)), denied_(std::move(denied)) {}
  /// Handlers, and what they stream later, run in a storage::WorkspaceScope of the caller's workspace. Errors of the
  /// handler leave with a code (wire.h). 401 consent_required where a visitor would do and nobody is known, 401
  /// login_required where an account is needed, 403 forbidden for the wrong role, 403 wrong_scope for a token without
  /// the scope.
  void add(RouteSpec spec, ActorHandler handler);
  const std::vector<RouteSpec>& specs() const { return specs_; }

 private:
  http::Server& server_;
  Authenticator authenticate_;
  Admission admit_;
  Denial denied_;
  std::vector<RouteSpec> specs_;
};

}  // namespace afina::collector
