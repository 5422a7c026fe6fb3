// SPDX-License-Identifier: Apache-2.0
#include "http/curl_transfer.h"

#include <charconv>

#include "http/client_parts.h"

namespace afina::http {
namespace {

/// libcurl's buffer for each transfer: pieces of answers are small, and there are hundreds of transfers.
constexpr long kBufferBytes = 4 * 1024;

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  if (code != CURLE_OK) throw InternalError(cat("[http client] must be set up, but: ", curl_easy_strerror(code), "."));
}

void append(curl_slist*& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list, line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  list = longer;
}

bool is_nonsense(CURLcode code) {
  return code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_BAD_CONTENT_ENCODING ||
         code == CURLE_HTTP2 || code == CURLE_OUT_OF_MEMORY;
}

}  // namespace

CurlTransfer::CurlTransfer(const AsyncCall& call, const AsyncClient::Handlers& handlers, const Target& target,
                           const std::string& path)
    : call_(call), handlers_(handlers), origin_(target.origin()), easy_(curl_easy_init()) {
  if (easy_ == nullptr) throw std::bad_alloc();
  try {
    configure(target, path);
  } catch (...) {
    curl_slist_free_all(lines_);
    curl_slist_free_all(pins_);
    curl_easy_cleanup(easy_);
    throw;
  }
}

CurlTransfer::~CurlTransfer() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(lines_);
  curl_slist_free_all(pins_);
}

void CurlTransfer::configure(const Target& target, const std::string& path) {
  const ClientOptions& options = call_.endpoint->options;
  set(easy_, CURLOPT_URL, cat(origin_, path).c_str());
  set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy_, CURLOPT_PATH_AS_IS, 1L);
  set(easy_, CURLOPT_PROXY, "");
  set(easy_, CURLOPT_NOPROXY, "*");
  set(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  set(easy_, CURLOPT_TCP_NODELAY, 1L);
  set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    set(easy_, CURLOPT_CAINFO, options.ca_file.c_str());
    set(easy_, CURLOPT_CAPATH, nullptr);
  }
  set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_deadline.count()));
  set(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(options.total_deadline.count()));
  set(easy_, CURLOPT_BUFFERSIZE, kBufferBytes);
  const bool is_name = target.host.find(':') == std::string::npos && target.addresses.front() != target.host;
  if (is_name) {
    std::string pin = cat(target.host, ":", target.port, ":");
    for (size_t i = 0; i < target.addresses.size(); ++i) {
      const std::string& address = target.addresses[i];
      const bool six = address.find(':') != std::string::npos;
      pin += cat(i == 0 ? "" : ",", six ? "[" : "", address, six ? "]" : "");
    }
    append(pins_, pin);
    set(easy_, CURLOPT_RESOLVE, pins_);
  }
  append(lines_, "Expect:");  // libcurl would wait a second for a server that says nothing to it
  append(lines_, "Accept-Encoding: identity");
  for (const auto& [name, value] : call_.headers.lines())
    append(lines_, cat(name, ": ", value));
  if (!call_.body.empty()) append(lines_, "Content-Type: application/json");
  if (!options.bearer.empty()) append(lines_, "Authorization: Bearer " + options.bearer);
  set(easy_, CURLOPT_HTTPHEADER, lines_);
  if (!call_.body.empty() || call_.method == "POST") {
    set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call_.body.size()));
    set(easy_, CURLOPT_POSTFIELDS, call_.body.data());
  }
  set(easy_, CURLOPT_CUSTOMREQUEST, call_.method.c_str());
  set(easy_, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  set(easy_, CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(easy_, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  set(easy_, CURLOPT_WRITEDATA, static_cast<void*>(this));
}

// Nothing may be thrown through libcurl: what handlers throw waits until the attempt is over.
template <typename Act>
bool CurlTransfer::guarded(Act act) {
  try {
    ended_by_us_ = !act();
  } catch (...) {
    thrown_ = std::current_exception();
    ended_by_us_ = true;
  }
  return !ended_by_us_;
}

size_t CurlTransfer::on_header(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const size_t bytes = size * count;
  transfer.last_byte_ = std::chrono::steady_clock::now();
  const bool more = transfer.guarded([&] {
    transfer.take_header({data, bytes});
    return true;
  });
  return more ? bytes : 0;
}

void CurlTransfer::take_header(std::string_view line) {
  if (head_done_) return;  // trailers
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n'))
    line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    response_ = {};
    const size_t space = std::min(line.find(' '), line.size());
    const std::string_view code = line.substr(std::min(space + 1, line.size()), 3);
    std::from_chars(code.data(), code.data() + code.size(), response_.status);
  } else if (line.empty()) {
    if (response_.status / 100 == 1) return;
    head_done_ = true;
    if (handlers_.on_head) handlers_.on_head(response_);
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t'))
      value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t'))
      value.remove_suffix(1);
    response_.headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
}

size_t CurlTransfer::on_body(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const size_t bytes = size * count;
  return transfer.take_body({data, bytes}) ? bytes : 0;
}

bool CurlTransfer::take_body(std::string_view bytes) {
  last_byte_ = std::chrono::steady_clock::now();
  received_ += bytes.size();
  too_large_ = received_ > call_.endpoint->options.max_response_bytes;
  if (too_large_ || call_.stop.stop_requested()) return false;
  if (!handlers_.on_bytes) return response_.body.append(bytes), true;
  return guarded([&] { return handlers_.on_bytes(bytes); });
}

std::exception_ptr CurlTransfer::verdict(CURLcode code) const {
  if (thrown_) return thrown_;
  if (call_.stop.stop_requested())
    return std::make_exception_ptr(Cancelled(cat("[upstream ", origin_, "] was not waited for any longer.")));
  const auto error = [](UpstreamFault fault, const std::string& text) {
    return std::make_exception_ptr(UpstreamError(fault, text));
  };
  if (too_large_) {
    return error(UpstreamFault::nonsense, cat("[upstream ", origin_, "] must answer with at most ",
                                              call_.endpoint->options.max_response_bytes, " bytes, but sent more."));
  }
  if (code == CURLE_OK || ended_by_us_) return nullptr;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started_;
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return error(UpstreamFault::slow,
                 cat("[upstream ", origin_, "] must answer in time, but did not within ", elapsed.count(), " s."));
  }
  if (is_nonsense(code)) {
    return error(UpstreamFault::nonsense,
                 cat("[upstream ", origin_, "] must answer in HTTP, but got: ", curl_easy_strerror(code), "."));
  }
  return error(UpstreamFault::down,
               cat("[upstream ", origin_, "] must be reachable, but got: ", curl_easy_strerror(code), "."));
}

}  // namespace afina::http
