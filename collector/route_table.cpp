// SPDX-License-Identifier: Apache-2.0
#include "collector/route_table.h"

#include <algorithm>

#include "base/cat.h"
#include "collector/wire.h"
#include "storage/database.h"
#include "storage/long_transactions.h"

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

// What streams after the handler has returned runs on another thread, in the same workspace.
void keep_workspace(std::function<void(http::SseWriter&)>& write, const Actor& actor) {
  if (!write) return;
  write = [workspace = actor.workspace_id, project = actor.project_id, inner = std::move(write)](http::SseWriter& out) {
    const storage::WorkspaceScope scope(workspace, project);
    inner(out);
  };
}

// A file goes out as fast as its reader takes it: what it reads meanwhile holds none of the connections others need.
void keep_workspace(std::function<void(http::BodyWriter&)>& write, const Actor& actor) {
  if (!write) return;
  write = [workspace = actor.workspace_id, project = actor.project_id,
           inner = std::move(write)](http::BodyWriter& out) {
    const storage::WorkspaceScope scope(workspace, project);
    const storage::LongTransactions apart;
    inner(out);
  };
}

template <typename Act>
void telling(const std::function<void(int)>& tell, const Act& act) {
  try {
    act();
  } catch (const http::HttpError& error) {
    tell(error.status());
    throw;
  } catch (const NotFound&) {
    tell(404);
    throw;
  }
}

// What is thrown when the answer is given later is told of like what the handler throws.
void tell_later(http::Response& response, const std::function<void(int)>& tell) {
  response.later = [tell, begin = std::move(response.later)](const http::Reply& reply) {
    begin([tell, reply](const std::function<void(http::Response&)>& make) {
      reply([&](http::Response& answer) { telling(tell, [&] { make(answer); }); });
    });
  };
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
    const Actor actor = authenticate_(request, spec);
    const storage::WorkspaceScope scope(actor.workspace_id, actor.project_id);
    const auto tell = [&](int status) {
      if (denied_ && (status == 403 || status == 404)) denied_(actor, spec, request, status);
    };
    telling(tell, [&] {
      check(spec, actor);
      admit_(actor, spec, request);
      handler(actor, request, response);
    });
    if (response.later && actor.account && denied_) {
      tell_later(response, [told = denied_, actor, spec, request](int status) {
        const storage::WorkspaceScope late(actor.workspace_id, actor.project_id);
        if (status == 403 || status == 404) told(actor, spec, request, status);
      });
    }
    keep_workspace(response.streamer, actor);
    keep_workspace(response.body_writer, actor);
  };
  http::Handler wrapped = answer;
  if (spec.error_form == http::ErrorForm::afina) wrapped = with_codes(std::move(answer));
  server_.route(spec.method, spec.pattern, std::move(wrapped), options);
}

}  // namespace afina::collector
