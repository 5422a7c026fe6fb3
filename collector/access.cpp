// SPDX-License-Identifier: Apache-2.0
#include "collector/access.h"

#include "base/cat.h"
#include "collector/wire.h"
#include "storage/audit.h"

namespace afina::collector {

std::string_view to_string(Who who) {
  switch (who) {
    case Who::anyone:
      return "anyone";
    case Who::visitor:
      return "visitor";
    case Who::annotator:
      return "annotator";
    case Who::reviewer:
      return "reviewer";
    case Who::engineer:
      return "engineer";
    case Who::admin:
      return "admin";
    case Who::auditor:
      return "auditor";
  }
  throw InternalError("[access] a caller must be of a known kind, but is not.");
}

Who who_of(storage::Role role) {
  switch (role) {
    case storage::Role::annotator:
      return Who::annotator;
    case storage::Role::reviewer:
      return Who::reviewer;
    case storage::Role::engineer:
      return Who::engineer;
    case storage::Role::admin:
      return Who::admin;
    case storage::Role::auditor:
      return Who::auditor;
  }
  throw InternalError("[access] a role must be known, but is not.");
}

const storage::Visitor& Actor::person() const {
  if (!visitor) throw refusal(401, "consent_required", "[session] must begin with a consent, but there is none.");
  return *visitor;
}

const storage::Account& Actor::member() const {
  if (!account) throw refusal(401, "login_required", "[session] must be an account's, but is not.");
  return *account;
}

std::string Actor::audit_name() const {
  if (account) return cat("account:", account->name);
  return visitor ? cat("visitor:", visitor->id) : "anyone";
}

void note(storage::Transaction& t, const Actor& actor, const http::Request& request, const std::string& action,
          const std::string& object, Json detail) {
  detail["request"] = request.request_id;
  storage::append_audit(t, actor.audit_name(), action, object, detail);
}

}  // namespace afina::collector
