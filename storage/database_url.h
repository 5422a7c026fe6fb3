// SPDX-License-Identifier: Apache-2.0
// Connection strings of libpq, as URI or as key=value words: defaults added, secrets taken out.
#pragma once
#include <filesystem>
#include <string>

namespace afina::storage {

/// Adds connect_timeout, keep-alives and application_name where the string does not name them, so that a silently cut
/// network is seen in seconds (libpq's own defaults: never).
std::string with_connection_defaults(const std::string& url);
/// Host, port and database for people: no user, password or options.
std::string without_secrets(const std::string& url);
/// An address for another program's arguments, which everybody on the machine can read, and what must not stand there.
struct SplitUrl {
  std::string url;       ///< as key='value' words, without the password
  std::string password;  ///< for PGPASSWORD; empty: the address has none
};
/// Throws UsageError for what libpq cannot read.
SplitUrl split_password(const std::string& url);
/// The URI of a server on a Unix socket in that folder.
std::string socket_url(const std::filesystem::path& folder, int port, const std::string& user,
                       const std::string& database);

}  // namespace afina::storage
