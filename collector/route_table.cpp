// SPDX-License-Identifier: Apache-2.0
#include "collector/route_table.h"

#include <algorithm>

#include "base/cat.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

void check(const RouteSpec& spec, const Actor& actor) {
  if (!spec.access.allows(actor.who)) {
    if (actor.who == Who::anyone && spec.access.allows(Who::visitor)) {
      throw refusal(401, "consent_required", "[session] must begin with a consent, but there is none.");
    }
    if (actor.who == Who::anyone || actor.who == Who::visitor) {
      throw refusal(401, "login_required", "[session] must be an account's, but is not.");
    }
    throw refusal(403, "forbidden",
                  cat("[", spec.method, " ", spec.pattern, "] is not for the role ", to_string(actor.who), "."));
  }
  if (!actor.by_token || spec.access.allows(Who::anyone)) return;
  if (spec.scope.empty() || std::ranges::find(actor.scopes, spec.scope) == actor.scopes.end()) {
    throw refusal(403, "wrong_scope",
                  cat("[token] must have the scope ", spec.scope.empty() ? "of a browser session" : spec.scope, " for ",
                      spec.method, " ", spec.pattern, ", but has not."));
  }
}

}  // namespace

void RouteTable::add(RouteSpec spec, ActorHandler handler) {
  http::RouteOptions options;
  options.max_body_bytes = spec.max_body_bytes;
  options.rate_class = spec.rate_class;
  options.json_only = spec.json_only;
  options.error_form = spec.error_form;
  specs_.push_back(spec);
  auto answer = [this, spec, handler = std::move(handler)](const http::Request& request, http::Response& response) {
    const Actor actor = authenticate_(request);
    check(spec, actor);
    admit_(actor, spec, request);
    handler(actor, request, response);
  };
  http::Handler wrapped = answer;
  if (spec.error_form == http::ErrorForm::afina) wrapped = with_codes(std::move(answer));
  server_.route(spec.method, spec.pattern, std::move(wrapped), options);
}

}  // namespace afina::collector
