// SPDX-License-Identifier: Apache-2.0
// The strict reader of request heads (RFC 9112 §2-§6), stricter than the standard where laxness has been exploited:
// CRLF only, one Host, digits-only single Content-Length, no Transfer-Encoding, no Content-Encoding, no encoded line
// breaks or slashes. Pure functions over bytes; the server feeds them, tests and fuzzers call them directly.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace afina::http {

/// A head that passed every check.
struct RequestHead {
  std::string method;
  std::string path;       ///< decoded
  std::string text;       ///< request line and kept header lines with the blank line, as handed to the HTTP library
  size_t wire_bytes = 0;  ///< length in the input, blank line included
  size_t content_length = 0;
  bool http_1_1 = true;  ///< else 1.0
  bool expects_continue = false;
  bool has_credentials = false;  ///< a Cookie or an Authorization, whatever they are worth
};

struct HeadFault {
  int status = 400;
  std::string reason = {};  ///< one sentence for the client
  std::string path = {};    ///< of the request, where it is known
};

inline constexpr size_t kMaxHeadLines = 64;
inline constexpr size_t kMaxTargetBytes = 4096;

/// Nothing where the head is not complete yet and may still become valid. Linear in the input.
std::optional<std::variant<RequestHead, HeadFault>> read_head(std::string_view bytes, size_t max_head_bytes);

/// Percent-decoded path, or nothing where it is malformed or holds control bytes, an encoded slash or backslash, a `.`
/// or
/// `..` part, or bytes that are not UTF-8.
std::optional<std::string> decode_path(std::string_view raw_path);

}  // namespace afina::http
