// SPDX-License-Identifier: Apache-2.0
#include "datasets/token_cache.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"

namespace afina::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEnding = ".tokens";
// A temporary file that nobody has written to for so long belongs to a process that was killed.
constexpr auto kAbandoned = std::chrono::hours(24);

// Raised by hand when a change to text/ or datasets/ changes the ids or weights of the same rows.
constexpr int kTextPathVersion = 1;

std::optional<EncodedRows> open_cached(const fs::path& path, const std::string& key) {
  std::error_code code;
  if (!fs::exists(path, code)) return std::nullopt;
  try {
    auto records = TokenRecords::open(path, key);
    EncodeReport report = report_from_json(records->notes(), path.string());
    // What trim_token_cache() goes by. A read-only cache is still a cache.
    fs::last_write_time(path, fs::file_time_type::clock::now(), code);
    return EncodedRows(std::move(records), std::move(report));
  } catch (const Error& error) {
    log_warning("datasets", "ids are made again: ", error.what());
    return std::nullopt;
  }
}

}  // namespace

std::string TokenCacheKey::sha256() const {
  return sha256_hex(
      cat("tokens ", kTokenRecordsVersion, ".", kTextPathVersion, "\n", source, "\n", tokenizer, "\n", options, "\n"));
}

EncodedRows cached_rows(const fs::path& folder, const TokenCacheKey& key, const BuildRows& build, bool* hit) {
  const std::string name = key.sha256();
  const fs::path path = folder / (name + kEnding);
  auto found = open_cached(path, name);
  if (hit != nullptr) *hit = found.has_value();
  if (found) return std::move(*found);
  try {
    fs::create_directories(folder);
    TokenRecordsWriter file(path, name);
    return build(file);
  } catch (const StorageError& error) {
    log_warning("datasets", "ids stay in memory: ", error.what());
  } catch (const fs::filesystem_error& error) {
    log_warning("datasets", "ids stay in memory: ", error.what());
  }
  TokenRecordsWriter memory;
  return build(memory);
}

void trim_token_cache(const fs::path& folder, uint64_t max_bytes) {
  struct Kept {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<Kept> files;
  uint64_t total = 0;
  try {
    if (!fs::is_directory(folder)) return;
    const auto now = fs::file_time_type::clock::now();
    for (const auto& file : fs::directory_iterator(folder)) {
      const std::string name = file.path().filename().string();
      if (!file.is_regular_file() || name.find(kEnding) == std::string::npos) continue;
      if (name.find(".tmp-") != std::string::npos) {
        if (now - file.last_write_time() > kAbandoned) fs::remove(file.path());
        continue;
      }
      files.push_back({file.last_write_time(), file.file_size(), file.path()});
      total += files.back().bytes;
    }
    std::sort(files.begin(), files.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
    for (const Kept& file : files) {
      if (total <= max_bytes) break;
      fs::remove(file.path);
      total -= file.bytes;
    }
  } catch (const fs::filesystem_error& error) {
    log_warning("datasets", "the cache of ids cannot be trimmed: ", error.what());
  }
}

}  // namespace afina::datasets
