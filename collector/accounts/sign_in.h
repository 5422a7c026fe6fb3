// SPDX-License-Identifier: Apache-2.0
// From a cookie or a token to an Actor, read anew for every request; the cookie itself; what GET /api/me says.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "collector/access.h"
#include "collector/config.h"
#include "collector/consent_texts.h"
#include "http/message.h"
#include "storage/database.h"

namespace afina::collector {

/// "afina-account", behind TLS "__Host-afina-account".
std::string account_cookie_name(const CollectorConfig& config);
/// token "" takes it away.
void set_account_cookie(http::Response& response, const CollectorConfig& config, const std::string& token,
                        int max_age_s);

/// Nothing where the cookie is no living session's.
std::optional<Actor> actor_of_session(storage::Database& database, const std::string& cookie);
/// Throws HttpError 401 login_required for a token that is none, not ours, expired or revoked.
Actor actor_of_token(storage::Database& database, const std::string& token);
/// A new session of that account, with its cookie in the response; the one that came with the request ends, so that
/// nobody can plant a session beforehand. Throws HttpError 401 login_failed where the account has no place there
/// (workspace "" takes the first it joined; else an id or a name).
Actor begin_account_session(storage::Database& database, const CollectorConfig& config, const http::Request& request,
                            http::Response& response, const std::string& account_id, const std::string& workspace);
/// As GET /api/me answers. consents: the texts as they are now, which tell whether this person's is an old one.
Json me_json(storage::Database& database, const std::map<std::string, ConsentDocument>& consents, const Actor& actor);

}  // namespace afina::collector
