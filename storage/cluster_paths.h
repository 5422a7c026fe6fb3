// SPDX-License-Identifier: Apache-2.0
// Where the files of a private cluster are, and as whom it runs. As root it runs as user postgres, and lies under the
// system's state folder where that user cannot reach the home. Pure but for stat(): nothing is created here.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <string>

namespace afina::storage {

struct ClusterPaths {
  std::filesystem::path home;
  std::filesystem::path data;         ///< PostgreSQL's data folder
  std::filesystem::path run;          ///< 0700, for sockets; its name fits into a socket address
  std::filesystem::path door_lock;    ///< held by clients while they connect, and by the keeper while it stops
  std::filesystem::path keeper_lock;  ///< held by the keeper for its whole life
  std::filesystem::path address;      ///< where the keeper tells its socket
  std::filesystem::path log;
  uid_t uid = 0;  ///< as whom PostgreSQL runs
  gid_t gid = 0;
  bool outside_home = false;  ///< data lies under the state folder
};

struct ClusterPathInputs {
  std::filesystem::path home;                             ///< absolute
  std::filesystem::path temporary_folder = "/tmp";        ///< $TMPDIR
  std::filesystem::path state_folder = "/var/lib/afina";  ///< for root only
  uid_t uid = 0;                                          ///< of the program
  gid_t gid = 0;
};

/// Reads TMPDIR and the program's ids.
ClusterPathInputs cluster_path_inputs(const std::filesystem::path& home);
/// Throws StorageError where root finds no user postgres.
ClusterPaths cluster_paths(const ClusterPathInputs& inputs);
/// Whether that user may enter the folder, or the nearest one above it that exists. By mode bits alone.
bool can_enter(const std::filesystem::path& folder, uid_t uid, gid_t gid);
/// Makes the folder with mode 0700 and that owner, or checks that it is so: a folder in /tmp may be somebody's trap.
/// Throws StorageError.
void make_private_folder(const std::filesystem::path& folder, uid_t uid, gid_t gid);

/// The folder with initdb and postgres: of PostgreSQL `major` where it is not empty, else the newest from 15 on. Throws
/// StorageError with the Debian package's name.
std::filesystem::path find_postgres(const std::string& major = "");

}  // namespace afina::storage
