// SPDX-License-Identifier: Apache-2.0
// From the rows of one conversation to what the page shows, and to what the models are asked next. Pure functions; the
// one place that decides when a pair may be voted on and which answer a conversation goes on with.
// Positions: a person's message stands at n, its answer at n + 1.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "collector/upstream.h"
#include "storage/conversations.h"

namespace afina::collector {

/// A person's message and what was answered. Pointers into the ConversationView it was made from.
struct Turn {
  const storage::Message* user = nullptr;
  /// Of the newest attempt that is whole, else of the newest one, by slot; empty: none was stored.
  std::vector<const storage::Generation*> answers;
  const storage::Message* assistant = nullptr;      ///< the answer the conversation went on with, where it did
  const storage::Exposure* exposure = nullptr;      ///< of a pair that may be voted on
  const storage::Preference* vote = nullptr;        ///< the standing one
  std::vector<const storage::Generation*> earlier;  ///< whole single answers of other attempts, oldest first
  int attempts = 0;                                 ///< tries so far, whole or not

  bool answered() const;  ///< at least one whole answer
  bool whole() const;     ///< every answer is
  int next_attempt() const;
};

std::vector<Turn> turns_of(const storage::ConversationView& view);

/// As the API writes a turn; models' names appear only where the exposure was revealed. running: its answers are being
/// written now.
Json turn_json(const Turn& turn, bool running);
/// A turn that has just begun: what the page shows before the first piece.
Json new_turn_json(const std::string& id, const std::string& text, const std::vector<std::string>& sides);
/// The vote part alone, or null.
Json vote_json(const storage::Preference* vote, bool a_on_left);

/// The answer the conversation goes on with: the one the person went back to; the better one; the one shown on the left
/// where neither is; the whole one where the other failed. Null where there is none. attempt: of a single answer, where
/// the person named one.
const storage::Generation* chosen_answer(const Turn& turn, std::optional<int> attempt = std::nullopt);

/// Everything before the answer to the last message, in OpenAI's roles.
std::vector<ChatMessage> history_of(const storage::ConversationView& view);
/// The position after the last message.
int next_position(const storage::ConversationView& view);

}  // namespace afina::collector
