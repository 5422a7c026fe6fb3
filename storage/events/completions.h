// SPDX-License-Identifier: Apache-2.0
// What passes through the proxy, as conversations: the messages a client sent, every answer, and for a blind comparison
// the pair with the one answer that was shown. Functions are safe to repeat with the same ids.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/cat.h"
#include "storage/conversations.h"

namespace afina::storage {

class Transaction;

/// The key of generation.params under which stands what of an exchange was more than text (pictures, tools): the log
/// has only a word in its place, so nobody learns from it what was really sent.
inline constexpr const char* kBeyondText = "beyond_text";
/// SQL, of the columns of a conversation's id: an answer of it is so marked.
inline std::string goes_beyond_text(const std::string& conversation_id) {
  return cat(" EXISTS (SELECT FROM generation marked WHERE marked.conversation_id = ", conversation_id,
             " AND marked.params ? '", kBeyondText, "') ");
}

/// A request's messages on their way into the log.
struct LoggedPrompt {
  std::string conversation_id;      ///< to go on with; empty: a new one
  std::string new_conversation_id;  ///< taken where there is none to go on with, or its words part from these
  std::string visitor_id, locale;
  Mode mode = Mode::chat;
  std::vector<Message> messages;  ///< role, content and id each
};
struct PromptPlace {
  std::string conversation_id;
  int turn = 0;       ///< where the answer goes
  bool begun = true;  ///< a new conversation
};
/// Goes on with the conversation as far as its stored messages are the beginning of these, or these the beginning of
/// them up to an answer (it is asked again); else begins a new one. Throws NotFound for somebody else's.
PromptPlace log_prompt(Transaction& t, const LoggedPrompt& prompt);

/// Answers of one request, under one attempt number that no other request at that turn has. Of a single answer that is
/// whole, the conversation goes on with it where nothing stands there yet.
struct LoggedAnswers {
  std::vector<Generation> generations;  ///< slots are the caller's; attempt is set here
  std::string visitor_id;
  std::string shown_id;    ///< the generation that the client got
  std::string message_id;  ///< of the assistant message; empty: none is written
};
/// Returns the attempt. Throws NotFound where the conversation was withdrawn meanwhile.
int log_answers(Transaction& t, const LoggedAnswers& answers, std::optional<int> attempt);

/// Makes the pair of two whole answers of one turn, and the exposure of which the client saw one half. Nothing where
/// one of them is missing or has an error.
struct BlindPair {
  std::string generation_a_id, generation_b_id, shown_id, visitor_id;
  std::string exposure_id = new_uuid();
  bool leak_a = false, leak_b = false;  ///< the answer seems to name its maker
};
bool log_blind_pair(Transaction& t, const BlindPair& pair);

/// A completion as its own client may judge it; acts on its conversation queue until the transaction ends.
struct LoggedCompletion {
  Generation generation;
  std::optional<Exposure> exposure;  ///< of a blind comparison whose other half is whole
  bool is_a = true;                  ///< it stands as A in that pair
  int64_t acts = 0;                  ///< what this client said about it so far, corrections and undos counted
};
/// Throws NotFound for an unknown, withdrawn or somebody else's one.
LoggedCompletion find_completion(Transaction& t, const std::string& generation_id, const std::string& visitor_id);

}  // namespace afina::storage
