// SPDX-License-Identifier: Apache-2.0
#include "serve/api_keys.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace afina::serve {
namespace {

constexpr size_t kMinKeyChars = 16, kMaxFileBytes = 64 * 1024;

std::array<uint8_t, 32> digest_of(std::string_view key) {
  Sha256 hash;
  hash.update(key);
  return hash.finish();
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (key.size() < kMinKeyChars)
      throw UsageError(cat("[api key] must have at least ", kMinKeyChars, " characters, but has ", key.size(), "."),
                       "openssl rand -hex 24 makes one");
    if (std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' || c > '~'; }))
      throw UsageError("[api key] must be printable ASCII without spaces, but is not.");
    digests_.push_back(digest_of(key));
  }
}

// Digests differ from their first byte on where keys differ by one bit, and every one is looked at whole: time tells
// nothing of a key.
bool ApiKeys::accepts(std::string_view key) const {
  const std::array<uint8_t, 32> digest = digest_of(key);
  unsigned any = 0;
  for (const auto& known : digests_) {
    unsigned difference = 0;
    for (size_t i = 0; i < digest.size(); ++i)
      difference |= static_cast<unsigned>(known[i] ^ digest[i]);
    any |= static_cast<unsigned>(difference == 0);
  }
  return any != 0;
}

void ApiKeys::require(const http::Request& request) const {
  if (empty()) return;
  const std::string header = request.headers.get("Authorization");
  const size_t space = header.find(' ');
  const bool bearer = space != std::string::npos && http::equal_without_case(header.substr(0, space), "Bearer");
  if (bearer && accepts(std::string_view(header).substr(space + 1))) return;
  throw http::HttpError(ErrorKind::usage, 401,
                        cat("[Authorization] must be \"Bearer\" and a key of this server, but ",
                            header.empty() ? "is missing." : "is not."),
                        "invalid_api_key");
}

ApiKeys load_api_keys(const std::filesystem::path& file, const char* from_environment) {
  std::vector<std::string> keys;
  if (from_environment != nullptr && *from_environment != '\0') keys.emplace_back(from_environment);
  if (file.empty()) return ApiKeys(keys);
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077) != 0)
    throw UsageError(cat("[", file.string(), "] must be readable by its owner only, but others can read it."),
                     "chmod 600");
  const std::string text = read_file(file.string(), kMaxFileBytes);
  const size_t before = keys.size();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const size_t last = line.find_last_not_of(" \t\r");
    if (last != std::string_view::npos) keys.emplace_back(line.substr(0, last + 1));
    begin = end + 1;
  }
  if (keys.size() == before) throw UsageError(cat("[", file.string(), "] must hold a key a line, but holds none."));
  return ApiKeys(keys);
}

}  // namespace afina::serve
