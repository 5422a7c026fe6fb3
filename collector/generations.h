// SPDX-License-Identifier: Apache-2.0
// From what an upstream said to a stored generation. The `afina` object of `afina serve` brings the exact ids, the
// template's hash and the model's identity; everything in it is checked, since any server may send one.
#pragma once
#include <string>

#include "collector/upstream.h"
#include "storage/conversations.h"

namespace afina::storage {
class Transaction;
}

namespace afina::collector {

/// Where a turn stands: enough to store its answers.
struct TurnContext {
  std::string workspace_id, conversation_id, turn_id, visitor_id, text;
  int position = 0;  ///< the answers' place in the conversation
  int attempt = 0;
};

/// All columns but ids, slot and position. The adapter id is taken only as text; see known_adapter.
storage::Generation to_generation(const Completion& completion, const Upstream& upstream, uint32_t seed);

/// The adapter's id where this database has it, else "".
std::string known_adapter(storage::Transaction& t, const std::string& adapter_id);

}  // namespace afina::collector
