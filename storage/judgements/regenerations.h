// SPDX-License-Identifier: Apache-2.0
// Requests for other answers to a message: which attempt a key stands for, so that a repeat starts nothing twice.
#pragma once
#include <string>

#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct Regeneration {
  std::string id = new_uuid();
  std::string conversation_id;
  int turn = 0;     ///< position of the answers
  int attempt = 1;  ///< at least; a larger one is given where that is taken
  std::string client_key;
  std::string wishes;  ///< what else the request asked for, at most 200 bytes; the key must ask for it again
};
struct PutRegeneration {
  Regeneration stored;
  bool created = true;  ///< false: the key had asked before
};

/// The caller has checked whose conversation it is. Conflict: the key asked for another turn or for
/// something else of it.
PutRegeneration put_regeneration(Transaction& t, const Regeneration& wanted);

}  // namespace afina::storage
