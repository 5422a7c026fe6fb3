// SPDX-License-Identifier: Apache-2.0
// One attempt of one call as a libcurl easy handle. Internal to http/: this header and curl_transfer.cpp and
// async_client.cpp are the only places that know libcurl.
#pragma once
#include <curl/curl.h>

#include <chrono>
#include <exception>
#include <string>

#include "http/async_client.h"

namespace afina::http {

/// Used by the loop's thread alone. Not movable: libcurl keeps pointers to it.
class CurlTransfer {
 public:
  CurlTransfer(const AsyncCall& call, const AsyncClient::Handlers& handlers, const Target& target,
               const std::string& path);
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  CURL* handle() const { return easy_; }
  /// The attempt's error from libcurl's verdict, or null. What a handler threw goes first.
  std::exception_ptr verdict(CURLcode code) const;
  ClientResponse take_response() { return std::move(response_); }
  /// When a byte last came, or the attempt began.
  std::chrono::steady_clock::time_point last_byte() const { return last_byte_; }

 private:
  static size_t on_header(char* data, size_t size, size_t count, void* self);
  static size_t on_body(char* data, size_t size, size_t count, void* self);
  void take_header(std::string_view line);
  bool take_body(std::string_view bytes);
  void configure(const Target& target, const std::string& path);
  template <typename Act>
  bool guarded(Act act);

  const AsyncCall& call_;
  const AsyncClient::Handlers& handlers_;
  std::string origin_;
  CURL* easy_ = nullptr;
  curl_slist *lines_ = nullptr, *pins_ = nullptr;
  ClientResponse response_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now(), last_byte_ = started_;
  size_t received_ = 0;
  bool head_done_ = false, ended_by_us_ = false, too_large_ = false;
  std::exception_ptr thrown_;
};

}  // namespace afina::http
