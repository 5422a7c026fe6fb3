// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "http/error_body.h"
#include "http/server.h"

namespace afina::http {
namespace {

struct ErrorView {
  int status = 500;
  std::string kind = "internal", code = {}, message = {};
  int retry_after_s = 0;
  std::string param = {};
};

/// Of an error that brings none of its own, in Afina's form: no refusal comes without a word that clients can read.
std::string usual_code(int status) {
  switch (status) {
    case 401:
      return "login_required";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 408:
      return "too_slow";
    case 409:
      return "conflict";
    case 413:
      return "too_large";
    case 429:
      return "rate_limited";
    case 501:
    case 505:
      return "bad_request";
    case 503:
      return "overloaded";
    default:
      return status >= 500 ? "internal" : "bad_request";
  }
}

ErrorView view_of(const std::exception& error, const std::string& request_id) {
  ErrorView view;
  if (const auto* http = dynamic_cast<const HttpError*>(&error)) {
    view = {http->status(), std::string(to_string(http->kind())), http->code(), http->what(), http->retry_after_s(),
            http->param()};
  } else if (const auto* ours = dynamic_cast<const Error*>(&error)) {
    view = {http_status(ours->kind()), std::string(to_string(ours->kind())), "", ours->what(), 0, ""};
    if (ours->kind() == ErrorKind::storage) {
      view.code = "storage";
      // Its text may name hosts, tables and paths: for the log only.
      log_error("http", "request ", request_id, ": ", ours->what());
      view.message = cat("The store is not available now. Try again; request ", request_id, " is in the log.");
      view.retry_after_s = 1;
    }
  }
  if (view.message.empty() || view.kind == "internal") {
    log_error("http", "request ", request_id, ": ", error.what());
    view.message = cat("Something failed inside the server; request ", request_id, " is in the log.");
  }
  return view;
}

std::string openai_type(int status) {
  if (status == 429) return "rate_limit_error";
  if (status == 403) return "permission_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

Json json_of(const ErrorView& view, const std::string& request_id, ErrorForm form) {
  Json error;
  if (form == ErrorForm::openai) {
    error = {{"message", view.message}, {"type", openai_type(view.status)}, {"param", nullptr}, {"code", nullptr}};
    if (!view.code.empty()) error["code"] = view.code;
    // What says that nobody is known here has one word in OpenAI's form.
    if (view.status == 401 && (view.code.empty() || view.code == "login_required")) error["code"] = "invalid_api_key";
    if (!view.param.empty()) error["param"] = view.param;
  } else {
    error = {{"kind", view.kind}, {"message", view.message}, {"request_id", request_id}};
    error["code"] = view.code.empty() ? usual_code(view.status) : view.code;
  }
  return Json{{"error", error}};
}

}  // namespace

Json fault_json(int status, const std::string& reason, const std::string& request_id, ErrorForm form) {
  const bool ours = status >= 500 && status != 501 && status != 505;
  return json_of({.status = status, .kind = ours ? "internal" : "usage", .message = reason}, request_id, form);
}

Json error_json(const std::exception& error, const std::string& request_id, ErrorForm form) {
  return json_of(view_of(error, request_id), request_id, form);
}

void write_error(const std::exception& error, const std::string& request_id, ErrorForm form, Response& response) {
  const ErrorView view = view_of(error, request_id);
  response = Response();
  response.set_json(json_of(view, request_id, form), view.status);
  if (view.status == 401 && form == ErrorForm::openai) response.headers.set("WWW-Authenticate", "Bearer");
  if (view.retry_after_s > 0) response.headers.set("Retry-After", std::to_string(view.retry_after_s));
}

}  // namespace afina::http
