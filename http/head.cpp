// SPDX-License-Identifier: Apache-2.0
#include "http/head.h"

#include <algorithm>
#include <array>

#include "base/cat.h"
#include "base/utf8.h"
#include "http/message.h"

namespace afina::http {
namespace {

bool is_token_char(unsigned char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_encoded_line_break(std::string_view text) {
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    const std::string_view code = text.substr(at + 1, 2);
    if (equal_without_case(code, "0d") || equal_without_case(code, "0a") || code == "00") return true;
  }
  return false;
}

/// State of one head while its lines are checked.
struct HeadReader {
  RequestHead head;
  HeadFault fault{0, ""};
  bool has_length = false;
  int hosts = 0;

  bool fail(int status, std::string reason) {
    fault = {status, std::move(reason)};
    return false;
  }
  bool request_line(std::string_view line);
  bool header_line(std::string_view line);
  bool known_header(std::string_view name, std::string_view value, bool& keep);
};

bool HeadReader::request_line(std::string_view line) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(400, "The request line must have three parts.");
  const std::string_view method = line.substr(0, first), target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return fail(400, "The method must be a token.");
  constexpr std::array kMethods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return fail(501, "The method must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(505, "The version must be HTTP/1.1 or HTTP/1.0.");
  head.http_1_1 = version == "HTTP/1.1";
  if (target.size() > kMaxTargetBytes) return fail(414, cat("The target must be at most ", kMaxTargetBytes, " bytes."));
  const bool visible = std::all_of(target.begin(), target.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!target.starts_with('/') || !visible || target.find('#') != std::string_view::npos) {
    return fail(400, "The target must be a path in visible ASCII.");
  }
  const size_t question = target.find('?');
  const auto path = decode_path(target.substr(0, question));
  if (!path) return fail(400, "The path must be well-formed.");
  if (question != std::string_view::npos && target.find("%00", question) != std::string_view::npos) {
    return fail(400, "The query must hold no zero byte.");
  }
  head.method = method;
  head.path = *path;
  head.text = cat(line, "\r\n");
  return true;
}

bool HeadReader::known_header(std::string_view name, std::string_view value, bool& keep) {
  const auto is = [&](std::string_view other) { return equal_without_case(name, other); };
  if (is("Host")) {
    if (++hosts > 1) return fail(400, "There must be one Host.");
  } else if (is("Content-Length")) {
    const bool digits = !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
    if (has_length || !digits) return fail(400, "There must be one Content-Length of digits.");
    if (value.size() > 15) return fail(413, "The body is too large.");
    has_length = true;
    head.content_length = std::stoull(std::string(value));
    keep = false;  // the body travels beside the head, whole
  } else if (is("Transfer-Encoding")) {
    return fail(501, "A body must come with Content-Length, not Transfer-Encoding.");
  } else if (is("Content-Encoding")) {
    if (!equal_without_case(value, "identity")) return fail(415, "A body must not be compressed.");
    keep = false;
  } else if (is("Expect")) {
    if (!equal_without_case(value, "100-continue")) return fail(417, "Expect must be 100-continue.");
    head.expects_continue = true;
    keep = false;
  } else if (is("Range") || is("If-Range") || is("Upgrade") || is("Accept-Encoding") || is("TE") || is("Trailer")) {
    keep = false;  // features that are not offered, which the standard lets a server ignore
  } else if (is("Cookie") || is("Authorization")) {
    head.has_credentials = true;
  } else if (name.starts_with("REMOTE_") || name.starts_with("LOCAL_")) {
    return fail(400, "A header must not pose as a variable of the server.");
  }
  return true;
}

bool HeadReader::header_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return fail(400, "A header line must be a name, a colon and a value.");
  }
  const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  if (!is_value(value)) return fail(400, "A header value must hold no control bytes.");
  if (has_encoded_line_break(value)) return fail(400, "A header value must hold no encoded line break.");
  bool keep = true;
  if (!known_header(name, value, keep)) return false;
  if (keep) head.text += cat(name, ": ", value, "\r\n");
  return true;
}

}  // namespace

std::optional<std::string> decode_path(std::string_view raw_path) {
  std::string path;
  path.reserve(raw_path.size());
  for (size_t i = 0; i < raw_path.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(raw_path[i]);
    if (c == '%') {
      if (i + 2 >= raw_path.size()) return std::nullopt;
      const int high = hex_digit(raw_path[i + 1]), low = hex_digit(raw_path[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<unsigned char>(high * 16 + low);
      if (c == '/' || c == '.') return std::nullopt;
      i += 2;
    }
    if (c < 0x20 || c == 0x7f || c == '\\') return std::nullopt;
    path += static_cast<char>(c);
  }
  if (!path.starts_with('/') || !is_valid_utf8(path)) return std::nullopt;
  for (size_t from = 0; from < path.size();) {
    const size_t end = std::min(path.find('/', from + 1), path.size());
    const std::string_view part = std::string_view(path).substr(from + 1, end - from - 1);
    if (part == "." || part == "..") return std::nullopt;
    from = end;
  }
  return path;
}

std::optional<std::variant<RequestHead, HeadFault>> read_head(std::string_view bytes, size_t max_head_bytes) {
  const size_t end = bytes.substr(0, max_head_bytes).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    // A bare line feed can never become valid: say so now instead of waiting for the deadline.
    const size_t feed = bytes.find('\n');
    if (feed != std::string_view::npos && (feed == 0 || bytes[feed - 1] != '\r')) {
      return HeadFault{400, "Lines must end with CRLF."};
    }
    if (bytes.size() >= max_head_bytes) {
      const bool one_line = feed == std::string_view::npos;
      return one_line ? HeadFault{414, "The request line is too long."} : HeadFault{431, "The head is too large."};
    }
    return std::nullopt;
  }
  HeadReader reader;
  std::string_view rest = bytes.substr(0, end + 2);
  for (size_t line_number = 0; !rest.empty(); ++line_number) {
    const size_t line_end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, line_end);
    if (line_number > kMaxHeadLines)
      return HeadFault{431, cat("There must be at most ", kMaxHeadLines, " header lines.")};
    if (line.find_first_of("\r\n") != std::string_view::npos) return HeadFault{400, "Lines must end with CRLF."};
    if (!(line_number == 0 ? reader.request_line(line) : reader.header_line(line))) return reader.fault;
    rest.remove_prefix(line_end + 2);
  }
  RequestHead& head = reader.head;
  if (reader.head.http_1_1 && reader.hosts != 1) return HeadFault{400, "There must be one Host."};
  const bool bodyless = head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS";
  if (bodyless && head.content_length > 0) return HeadFault{400, cat("A ", head.method, " must have no body.")};
  head.text += "\r\n";
  head.wire_bytes = end + 4;
  return std::move(head);
}

}  // namespace afina::http
