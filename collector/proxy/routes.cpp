// SPDX-License-Identifier: Apache-2.0
// The routes under /v1, in OpenAI's form of answers and errors.
#include "collector/proxy/service.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxBodyBytes = size_t{4} << 20, kMaxFeedbackBytes = 64 * 1024;

RouteSpec spec_of(const char* method, const char* pattern, const char* summary) {
  RouteSpec spec{.method = method, .pattern = pattern, .access = kMembers, .scope = "proxy"};
  spec.error_form = http::ErrorForm::openai;
  spec.summary = summary;
  return spec;
}

/// A page's cookie is not enough: this side is for programs.
void require_token(const Actor& actor) {
  if (actor.by_token) return;
  throw http::HttpError(ErrorKind::usage, 401, "An API token with the scope proxy must be given, but is not.",
                        "invalid_api_key");
}

}  // namespace

void add_proxy_routes(RouteTable& routes, Services& services) {
  const auto proxy = std::make_shared<ProxyService>(services);
  RouteSpec chat = spec_of("POST", "/v1/chat/completions",
                           "Answers with the named model, or blind with one of two, and logs the conversation.");
  chat.max_body_bytes = kMaxBodyBytes;
  routes.add(chat, [proxy](const Actor& actor, const http::Request& request, http::Response& response) {
    require_token(actor);
    proxy->chat(actor, request, response);
  });
  routes.add(spec_of("GET", "/v1/models", "Lists the models by the names under which they answer."),
             [proxy](const Actor& actor, const http::Request&, http::Response& response) {
               require_token(actor);
               proxy->models(response);
             });
  routes.add(spec_of("GET", "/v1/models/{model}", "Tells whether a model of that name answers here."),
             [proxy](const Actor& actor, const http::Request& request, http::Response& response) {
               require_token(actor);
               proxy->model(request.param("model"), response);
             });
  RouteSpec feedback = spec_of("POST", "/v1/feedback", "Judges a completion by its id.");
  feedback.max_body_bytes = kMaxFeedbackBytes;
  routes.add(feedback, [proxy](const Actor& actor, const http::Request& request, http::Response& response) {
    require_token(actor);
    proxy->feedback(actor, request, response);
  });
}

}  // namespace afina::collector
