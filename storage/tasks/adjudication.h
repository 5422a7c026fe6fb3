// SPDX-License-Identifier: Apache-2.0
// What reviewers decide where annotators part. Append-only: of an item's verdicts the last one stands.
#pragma once
#include <string>

#include "storage/tasks/verdict.h"
#include "storage/transaction.h"

namespace afina::storage {

struct NewAdjudication {
  std::string id = new_uuid();
  std::string item_id, workspace_id, account_id;
  TaskVerdict verdict;        ///< about positions: what reviewers are shown
  bool flags_given = false;   ///< of flagging: verdict.flags is the verdict, also where it is empty (nothing to flag)
  std::string submission_id;  ///< of rewrites: the one that was chosen
  std::string note;           ///< at most 4000 bytes
  std::string idempotency_key, body_sha256;
};
struct PutAdjudication {
  std::string id;
  bool created = true;  ///< false where the same key had brought the same body before
};
/// Supersedes the item's earlier one; the item is disputed no more. Stands under the account's consent of now, where it
/// gave one. NotFound: an item of another workspace, a submission of another item or of somebody who withdrew, or a
/// reviewer who withdrew. DataError: does not fit the kind. Conflict: the key with another body.
PutAdjudication adjudicate(Transaction& t, const NewAdjudication& adjudication);

/// After a visitor withdrew, in the same transaction: items whose last verdict was theirs, or had chosen one of their
/// rewrites, have none any more, and are disputed again where what is left parts.
void reopen_disputes(Transaction& t, const std::string& visitor_id);

}  // namespace afina::storage
