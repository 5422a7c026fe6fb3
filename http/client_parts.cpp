// SPDX-License-Identifier: Apache-2.0
#include "http/client_parts.h"

#include <algorithm>
#include <random>

#include "http/retry.h"

namespace afina::http {
namespace {

constexpr size_t kMaxErrorBytes = 64 * 1024;

}  // namespace

Address split_base_url(const std::string& url) {
  const size_t scheme = url.find("://");
  const std::string name = url.substr(0, scheme);
  const bool clean = std::none_of(url.begin(), url.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
  if (scheme == std::string::npos || (name != "http" && name != "https") || !clean || url.size() < scheme + 4 ||
      url.find_first_of("@?#", scheme) != std::string::npos || url[scheme + 3] == '/') {
    throw UsageError(cat("[base_url] must be http:// or https:// with a host, but got \"", url, "\"."));
  }
  const size_t slash = std::min(url.find('/', scheme + 3), url.size());
  Address address{url.substr(0, slash), url.substr(slash)};
  while (address.prefix.ends_with('/'))
    address.prefix.pop_back();
  return address;
}

double random_unit() {
  thread_local std::mt19937_64 engine(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

ErrorWords error_words(const Json& error) {
  constexpr size_t kMostBytes = 40, kMostParamBytes = 80;
  ErrorWords words;
  const auto read = [&](const char* member, std::string& into, std::string_view more, size_t most) {
    const auto found = error.is_object() ? error.find(member) : error.end();
    if (found == error.end() || !found->is_string()) return;
    const auto& word = found->get_ref<const std::string&>();
    const bool plain = std::ranges::all_of(
        word, [&](char c) { return (c >= 'a' && c <= 'z') || c == '_' || more.find(c) != std::string_view::npos; });
    if (plain && word.size() <= most) into = word;
  };
  read("type", words.type, "", kMostBytes);
  read("code", words.code, "", kMostBytes);
  read("param", words.param, "0123456789.[]", kMostParamBytes);
  return words;
}

std::string named_words(const ErrorWords& words) {
  if (words.type.empty() && words.code.empty()) return "";
  return cat(" (", words.type, words.type.empty() || words.code.empty() ? "" : ", ", words.code, ")");
}

UpstreamError refusal(const std::string& origin, const ClientResponse& response) {
  ErrorWords words;
  try {
    const Json body = parse_json(response.body, "answer", {.max_depth = 16, .max_elements = 10'000});
    if (body.is_object() && body.contains("error")) words = error_words(body.at("error"));
  } catch (const Error&) {
    // Not JSON: the status alone must do.
  }
  const auto wait_time = retry_after(response.headers, std::chrono::system_clock::now());
  return {
      UpstreamFault::refused,
      cat("[upstream ", origin, "] must accept the request, but answered ", response.status, named_words(words), "."),
      response.status, wait_time ? static_cast<int>((wait_time->count() + 999) / 1000) : 0, words};
}

void StreamedAnswer::begin(const ClientResponse& head) {
  is_stream_ = head.status == 200;
  error_body_.clear();
  if (is_stream_ && !head.headers.get("Content-Type").starts_with("text/event-stream")) {
    throw UpstreamError(UpstreamFault::nonsense,
                        cat("[upstream ", origin_, "] must answer with an event stream, but did not."), head.status);
  }
  parser_.emplace([this](const SseEvent& event) {
    may_repeat_ = false;
    const bool more = on_event_(event);
    finished_ = !more || event.data == "[DONE]";
    return !finished_;
  });
}

bool StreamedAnswer::take(std::string_view bytes) {
  if (is_stream_) return parser_->push(bytes);
  error_body_.append(bytes.substr(0, kMaxErrorBytes - error_body_.size()));
  return error_body_.size() < kMaxErrorBytes;
}

void StreamedAnswer::finish(ClientResponse& response, std::exception_ptr failed) {
  try {
    if (failed) std::rethrow_exception(failed);
  } catch (const DataError& error) {
    throw UpstreamError(UpstreamFault::nonsense, error.what());
  }
  if (!is_stream_) {
    response.body = std::move(error_body_);
    throw refusal(origin_, response);
  }
  if (!finished_) {
    throw UpstreamError(UpstreamFault::down,
                        cat("[upstream ", origin_, "] must end its stream with [DONE], but broke off."));
  }
}

}  // namespace afina::http
