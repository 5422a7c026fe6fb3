// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/routes.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

constexpr int64_t kPage = 50, kLongestPage = 200;
constexpr size_t kMaxNameCodePoints = 60, kMaxNameBytes = 200;

bool moves_the_line(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

}  // namespace

int64_t page_limit(const http::Request& request) {
  const std::string text = request.query_value("limit").value_or("");
  if (text.empty()) return kPage;
  int64_t limit = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || limit < 1 || limit > kLongestPage) {
    throw refusal(400, "bad_request", "[limit] must be a whole number from 1 to 200.");
  }
  return limit;
}

std::string page_cursor(const http::Request& request, const std::string& name) {
  const std::string text = request.query_value(name).value_or("");
  if (!text.empty() && !is_uuid(text)) {
    throw refusal(400, "bad_request", cat("[", name, "] must be an id from \"next\", but is none."));
  }
  return text;
}

std::string checked_name(const std::string& name) {
  const auto refuse = [](const char* must) { throw refusal(400, "name_refused", cat("[body] name must ", must, ".")); };
  if (!is_valid_utf8(name)) refuse("be UTF-8");
  const auto points = code_points(name);
  if (points.empty() || points.size() > kMaxNameCodePoints || name.size() > kMaxNameBytes) {
    refuse("have 1 to 60 characters in at most 200 bytes");
  }
  if (name.front() == ' ' || name.back() == ' ') refuse("not begin or end with a blank");
  if (name.find('@') != std::string::npos) refuse("be a pseudonym, not an e-mail address");
  if (std::ranges::any_of(points, moves_the_line)) refuse("hold no control characters");
  return name;
}

void require_passphrase(const std::string& passphrase, const std::string& name) {
  try {
    check_passphrase(passphrase, name);
  } catch (const UsageError& error) {
    throw refusal(400, "passphrase_weak", error.what());
  }
}

void add_account_routes(RouteTable& routes, Services& services) {
  const auto rooms = std::make_shared<AccountRooms>(services);
  add_sign_in_routes(routes, rooms);
  add_join_routes(routes, rooms);
  add_member_routes(routes, rooms);
  add_invitation_routes(routes, rooms);
  add_token_routes(routes, rooms);
  add_audit_routes(routes, rooms);
}

}  // namespace afina::collector
