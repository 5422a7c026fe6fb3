// SPDX-License-Identifier: Apache-2.0
#include "finetune/checkpoint_store.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kLatest = "LATEST";
constexpr const char* kBest = "BEST";
constexpr const char* kTemporary = ".tmp";
constexpr int kFormatVersion = 1;
constexpr size_t kMaxManifestBytes = 16 << 20;

std::string folder_name(int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "ckpt-%08lld", static_cast<long long>(step));
  return name;
}

/// The step of "ckpt-00000012", or nothing for any other name.
std::optional<int64_t> step_of(const std::string& name) {
  const std::string prefix = "ckpt-";
  if (name.rfind(prefix, 0) != 0 || name.size() < prefix.size() + 8 || name.size() > prefix.size() + 18)
    return std::nullopt;
  int64_t step = 0;
  for (size_t i = prefix.size(); i < name.size(); ++i) {
    if (name[i] < '0' || name[i] > '9') return std::nullopt;
    step = step * 10 + (name[i] - '0');
  }
  return step;
}

[[noreturn]] void fail(const std::string& what, const fs::path& path, const std::error_code& code) {
  throw StorageError(cat("[finetune.checkpoint] must ", what, " ", path.string(), ", but got: ", code.message(), "."));
}

void rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::rename(from, to, code);
  if (code) fail(cat("rename ", from.string(), " to"), to, code);
  sync_path(to.parent_path());
}

/// Every regular file below folder, by its path relative to it, in order.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

void sync_all(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    sync_path(entry.path());
  sync_path(folder);
}

/// The manifest carries its own hash, so that a flipped bit in a fact is seen as well as one in a file.
std::string with_own_hash(Json manifest) {
  manifest.erase("manifest_sha256");
  const std::string hash = sha256_hex(dump_json(manifest));
  manifest["manifest_sha256"] = hash;
  return dump_json(manifest, 1) + "\n";
}

Json read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifest;
  Json manifest = parse_json(read_file(path, kMaxManifestBytes), path.string());
  if (!manifest.is_object() || !manifest.contains("manifest_sha256") || !manifest.contains("files")) {
    throw DataError(cat("[finetune.checkpoint] ", path.string(), " must be a manifest, but is not."));
  }
  Json body = manifest;
  body.erase("manifest_sha256");
  if (manifest["manifest_sha256"] != sha256_hex(dump_json(body))) {
    throw DataError(cat("[finetune.checkpoint] ", path.string(), " must match its own hash, but does not."));
  }
  if (manifest.value("format", 0) != kFormatVersion) {
    throw DataError(
        cat("[finetune.checkpoint] ", path.string(), " must be of format ", kFormatVersion, ", but is of another."));
  }
  return manifest;
}

std::vector<int64_t> steps_descending(const fs::path& folder) {
  std::vector<int64_t> steps;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) steps.push_back(*step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

/// What the file BEST names, or nothing.
std::optional<int64_t> best_step(const fs::path& folder) {
  std::error_code code;
  if (!fs::exists(folder / kBest, code)) return std::nullopt;
  std::string name = read_file(folder / kBest, 64);
  while (!name.empty() && name.back() == '\n')
    name.pop_back();
  return step_of(name);
}

/// Hidden first, so that a removal cut short never looks like a damaged checkpoint.
void remove_checkpoint(const fs::path& folder) {
  const fs::path hidden = folder.string() + kTemporary;
  rename_folder(folder, hidden);
  std::error_code ignored;
  fs::remove_all(hidden, ignored);
}

}  // namespace

std::string checkpoint_fault(const fs::path& folder) {
  try {
    const Json manifest = read_manifest(folder);
    for (const auto& file : manifest["files"]) {
      const std::string name = file.at("name").get<std::string>();
      const fs::path path = folder / name;
      std::error_code code;
      const auto bytes = fs::file_size(path, code);
      if (code) return cat(name, " is missing");
      if (bytes != file.at("bytes").get<uint64_t>())
        return cat(name, " has ", bytes, " bytes instead of ", file.at("bytes").dump());
      if (sha256_file_hex(path.string()) != file.at("sha256").get<std::string>())
        return cat(name, " does not match its SHA-256");
    }
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

CheckpointStore::CheckpointStore(fs::path folder, int64_t keep) : folder_(std::move(folder)), keep_(keep) {
  AFINA_CHECK(keep_ >= 1, "at least one checkpoint is kept");
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code) fail("make the folder", folder_, code);
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() == kTemporary) leftovers.push_back(entry.path());
  }
  for (const auto& path : leftovers)
    fs::remove_all(path, code);
}

fs::path CheckpointStore::save(int64_t step, const Json& facts, const Writer& write_files) {
  const fs::path final_folder = folder_ / folder_name(step);
  const fs::path temporary = final_folder.string() + kTemporary;
  std::error_code code;
  fs::remove_all(temporary, code);
  fs::create_directories(temporary, code);
  if (code) fail("make the folder", temporary, code);
  write_files(temporary);
  Json manifest = {{"format", kFormatVersion}, {"step", step}, {"facts", facts}, {"files", Json::array()}};
  for (const auto& name : files_below(temporary)) {
    const fs::path path = temporary / name;
    manifest["files"].push_back(
        {{"name", name.generic_string()}, {"bytes", fs::file_size(path)}, {"sha256", sha256_file_hex(path.string())}});
  }
  write_file_synced(temporary / kManifest, with_own_hash(manifest));
  sync_all(temporary);
  if (fs::exists(final_folder)) {
    // A run that fell back past a damaged checkpoint reaches its step again: the damaged one is put aside, never
    // overwritten.
    rename_folder(final_folder, final_folder.string() + ".old-" + random_hex(4));
  }
  rename_folder(temporary, final_folder);
  write_file_atomic(folder_ / kLatest, folder_name(step) + "\n");
  const auto steps = steps_descending(folder_);
  const auto best = best_step(folder_);
  for (size_t i = static_cast<size_t>(keep_); i < steps.size(); ++i) {
    // A later step than ours is a damaged leftover of before the resume, kept for its owner to look at.
    if (steps[i] < step && steps[i] != best) remove_checkpoint(folder_ / folder_name(steps[i]));
  }
  return final_folder;
}

void CheckpointStore::mark_best(int64_t step) {
  const fs::path folder = folder_ / folder_name(step);
  if (!fs::exists(folder / kManifest))
    throw NotFound(cat("[finetune.checkpoint] must find ", folder.string(), ", but it is not there."));
  if (best_step(folder_) != step) write_file_atomic(folder_ / kBest, folder_name(step) + "\n");
}

std::optional<Checkpoint> CheckpointStore::best() const {
  const auto step = best_step(folder_);
  if (!step) return std::nullopt;
  const fs::path path = folder_ / folder_name(*step);
  const std::string fault = checkpoint_fault(path);
  if (fault.empty()) return Checkpoint{*step, path, read_manifest(path).at("facts")};
  log_warning("finetune", "the best checkpoint ", path.string(), " is damaged (", fault, ")");
  return std::nullopt;
}

std::optional<Checkpoint> CheckpointStore::newest_valid() const {
  for (const int64_t step : steps_descending(folder_)) {
    const fs::path path = folder_ / folder_name(step);
    const std::string fault = checkpoint_fault(path);
    if (fault.empty()) return Checkpoint{step, path, read_manifest(path).at("facts")};
    log_warning("finetune", "checkpoint ", path.string(), " is damaged (", fault, "); trying the one before it");
  }
  return std::nullopt;
}

}  // namespace afina::finetune
