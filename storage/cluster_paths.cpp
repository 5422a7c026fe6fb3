// SPDX-License-Identifier: Apache-2.0
#include "storage/cluster_paths.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;

// sun_path holds 108 bytes; PostgreSQL adds "/.s.PGSQL.5432.lock".
constexpr size_t kLongestRunFolder = 80;
constexpr int kOldestMajor = 15;

struct User {
  uid_t uid;
  gid_t gid;
};

User postgres_user() {
  struct passwd entry {};
  struct passwd* found = nullptr;
  std::vector<char> buffer(16 * 1024);
  getpwnam_r("postgres", &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    throw StorageError("[storage.cluster] root must find a user 'postgres' to run PostgreSQL as, but there is none.",
                       "apt-get install postgresql, or run as an ordinary user");
  }
  return {found->pw_uid, found->pw_gid};
}

}  // namespace

ClusterPathInputs cluster_path_inputs(const fs::path& home) {
  ClusterPathInputs inputs;
  inputs.home = fs::absolute(home).lexically_normal();
  const char* tmp = std::getenv("TMPDIR");
  if (tmp != nullptr && tmp[0] == '/') inputs.temporary_folder = fs::path(tmp).lexically_normal();
  inputs.uid = geteuid();
  inputs.gid = getegid();
  return inputs;
}

bool can_enter(const fs::path& folder, uid_t uid, gid_t gid) {
  fs::path so_far;
  for (const fs::path& part : folder) {
    so_far /= part;
    struct stat info {};
    if (stat(so_far.c_str(), &info) != 0) return errno == ENOENT;  // what is made later is made enterable
    const mode_t bit = info.st_uid == uid ? S_IXUSR : info.st_gid == gid ? S_IXGRP : S_IXOTH;
    if (!S_ISDIR(info.st_mode) || (info.st_mode & bit) == 0) return false;
  }
  return true;
}

ClusterPaths cluster_paths(const ClusterPathInputs& inputs) {
  ClusterPaths paths;
  paths.home = inputs.home;
  paths.uid = inputs.uid;
  paths.gid = inputs.gid;
  const std::string mark = sha256_hex(cat(inputs.home.string(), '\n', inputs.uid)).substr(0, 16);
  paths.data = inputs.home / "postgres";
  if (inputs.uid == 0) {
    const User user = postgres_user();
    paths.uid = user.uid;
    paths.gid = user.gid;
    if (!can_enter(inputs.home, user.uid, user.gid)) {
      paths.outside_home = true;
      paths.data = inputs.state_folder / mark / "postgres";
    }
  }
  paths.run = inputs.temporary_folder / ("afina-" + mark);
  if (paths.run.string().size() > kLongestRunFolder || !can_enter(inputs.temporary_folder, paths.uid, paths.gid)) {
    paths.run = fs::path("/tmp") / ("afina-" + mark);
  }
  paths.door_lock = inputs.home / "database.lock";
  paths.keeper_lock = inputs.home / "keeper.lock";
  paths.address = inputs.home / "keeper.json";
  paths.log = inputs.home / "keeper.log";
  return paths;
}

void make_private_folder(const fs::path& folder, uid_t uid, gid_t gid) {
  if (mkdir(folder.c_str(), 0700) == 0) {
    if (geteuid() == 0 && chown(folder.c_str(), uid, gid) != 0) {
      throw StorageError(cat("[storage.cluster] ", folder.string(), " must get its owner, but ", std::strerror(errno)));
    }
    return;
  }
  if (errno != EEXIST) {
    throw StorageError(cat("[storage.cluster] ", folder.string(), " must be made, but ", std::strerror(errno), "."));
  }
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != uid ||
      (info.st_mode & 0777) != 0700) {
    throw StorageError(
        cat("[storage.cluster] ", folder.string(), " must be a folder of user ", uid, " with mode 0700, but is not."),
        "move it away");
  }
}

fs::path find_postgres(const std::string& major) {
  if (const char* chosen = std::getenv("AFINA_POSTGRES_BIN"); chosen != nullptr && *chosen != '\0') {
    return chosen;
  }
  fs::path best;
  int best_major = kOldestMajor - 1;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (!fs::exists(entry.path() / "bin" / "initdb", ignored) || !fs::exists(entry.path() / "bin" / "postgres"))
      continue;
    if (!major.empty() && major != entry.path().filename()) continue;
    if (version <= best_major) continue;
    best_major = version;
    best = entry.path() / "bin";
  }
  if (!best.empty()) return best;
  // Other systems keep one version, beside pg_config on the path.
  const char* path = std::getenv("PATH");
  for (std::string rest = path == nullptr ? "" : path; !rest.empty();) {
    const size_t colon = rest.find(':');
    const fs::path folder = rest.substr(0, colon);
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    if (fs::exists(folder / "initdb", ignored) && fs::exists(folder / "postgres", ignored)) return folder;
  }
  throw StorageError(cat("[storage.cluster] PostgreSQL ", major.empty() ? "15 or later" : major,
                         " must be installed for a private cluster, but its programs were not found."),
                     cat("apt-get install postgresql", major.empty() ? "" : "-", major, ", or set DATABASE_URL"));
}

}  // namespace afina::storage
