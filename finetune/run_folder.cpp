// SPDX-License-Identifier: Apache-2.0
#include "finetune/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecord = "run.json";

[[noreturn]] void fail_to_write(const fs::path& path, const std::string& reason) {
  throw StorageError(cat("[--out] must be a folder that can be written, but got ", path.string(), ": ", reason, "."));
}

/// The nearest part of the path that exists.
fs::path existing_part(fs::path path) {
  std::error_code code;
  while (!path.empty() && !fs::exists(path, code) && path.has_parent_path() && path != path.parent_path())
    path = path.parent_path();
  return path.empty() ? fs::path(".") : path;
}

}  // namespace

void check_run_folder(const fs::path& out, bool resume) {
  if (out.empty()) throw UsageError("[--out] must name a folder, but is empty.");
  std::error_code code;
  if (resume) {
    if (!fs::exists(out / kRecord, code)) {
      throw NotFound(cat("[--resume] must find a run in ", out.string(), ", but there is no ", kRecord, "."),
                     "leave --resume out to begin a new run");
    }
    return;
  }
  const fs::path there = existing_part(fs::absolute(out));
  if (!fs::is_directory(there, code)) fail_to_write(out, there.string() + " is not a folder");
  if (::access(there.c_str(), W_OK) != 0) fail_to_write(out, std::strerror(errno));
  if (fs::is_directory(out, code) && !fs::is_empty(out, code)) {
    throw Conflict(cat("[--out] must be a new or empty folder, but ", out.string(), " holds files."),
                   "--resume goes on with the run that is there; another --out begins a new one");
  }
}

RunFolder::RunFolder(fs::path out, bool resume, const OrderedJson& record) : path_(std::move(out)), record_(record) {
  std::error_code code;
  fs::create_directories(path_, code);
  if (code) fail_to_write(path_, code.message());
  lock_.descriptor = ::open((path_ / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_.descriptor < 0) fail_to_write(path_, std::strerror(errno));
  if (::flock(lock_.descriptor, LOCK_EX | LOCK_NB) != 0) {
    throw Conflict(cat("[--out] must be used by one process, but another one trains in ", path_.string(), "."));
  }
  const fs::path file = path_ / kRecord;
  if (resume) {
    record_ = parse_ordered_json(read_file(file, size_t{1} << 24), file.string());
    if (!record_.is_object()) throw DataError(cat("[", file.string(), "] must be a JSON object, but is not."));
  } else {
    write_file_atomic(file, dump_json(record_, 2) + "\n");
  }
}

RunFolder::Lock::~Lock() {
  if (descriptor >= 0) ::close(descriptor);
}

}  // namespace afina::finetune
