// SPDX-License-Identifier: Apache-2.0
// Conversations, their messages and what models answered. Texts are never changed: a new answer is a new generation.
// Creating functions are safe to repeat with the same id. Owner checks are in the SQL: a visitor_id that does not own
// the row gives NotFound. Strings must be UTF-8 without U+0000, or DataError.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/preferences.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct Conversation {
  std::string id = new_uuid();
  std::string visitor_id;
  std::string consent_event_id;  ///< filled in from the visitor where empty
  std::string locale;            ///< BCP 47; may be empty
  Mode mode = Mode::arena;
  Source source = Source::web;
  std::string client_key;  ///< idempotency key, unique for a visitor; may be empty
  Time created_at{};
  std::optional<Time> withdrawn_at;
};

struct Message {
  std::string id = new_uuid();
  std::string conversation_id;
  int turn = 0;      ///< position in the conversation, from 0, unique in it
  std::string role;  ///< system, user, assistant
  std::string content;
  std::string sha256;         ///< of content; computed
  std::string generation_id;  ///< of an assistant message: the answer it repeats; may be empty
  std::string client_key;     ///< idempotency key, unique in the conversation; may be empty
  std::string wishes;         ///< what else its request asked for, at most 200 bytes; empty: unknown
  Time created_at{};
};

/// One answer of a model to the messages before `turn`.
struct Generation {
  std::string id = new_uuid();
  std::string conversation_id;
  int turn = 0;       ///< the position the answer would take
  int slot = 0;       ///< 0 = A, 1 = B, …
  int attempt = 0;    ///< counts tries of the same (turn, slot) after errors
  std::string model;  ///< name at the upstream
  std::string upstream;
  std::string adapter_id;        ///< empty: bare base, or unknown to us
  std::string base_sha256;       ///< identity of the base weights where the upstream tells it
  Json params = Json::object();  ///< sampling parameters as sent, at most 8 KiB
  std::optional<int64_t> seed;
  std::string text;
  std::string finish_reason;  ///< stop, length, cancelled, error; empty where unknown
  std::optional<int64_t> prompt_tokens, completion_tokens;
  std::optional<std::vector<int>> prompt_ids, completion_ids;  ///< where the upstream tells them
  std::string template_sha256;
  std::optional<double> first_token_ms, total_ms;
  std::string error;  ///< empty where the answer is whole
  Time created_at{};
};

/// Returns what is stored: the earlier row where the same client_key was used. Throws NotFound for an unknown or
/// withdrawn visitor, Conflict where the key began a conversation of another mode, locale or source.
Conversation create_conversation(Transaction& t, const Conversation& conversation);
/// As above; Conflict where the turn is taken by other words, or the client_key by other words or wishes.
Message append_message(Transaction& t, const Message& message, const std::string& visitor_id);
/// Whether a message that comes again asks for what the stored one asked for, as far as both tell.
bool same_wishes(const Message& stored, const Message& again);
Generation append_generation(Transaction& t, const Generation& generation);

/// Everything of one conversation, in order. Superseded votes are included and marked.
struct ConversationView {
  Conversation conversation;
  std::vector<Message> messages;
  std::vector<Generation> generations;  ///< by turn, slot, attempt
  std::vector<Pair> pairs;
  std::vector<Exposure> exposures;
  std::vector<Preference> preferences;  ///< in the order they were cast
  std::vector<Rewrite> rewrites;
};
/// Of one's own: throws NotFound where visitor_id does not own it or it is withdrawn. Exposures and votes of other
/// people on it are left out.
ConversationView load_own_conversation(Transaction& t, const std::string& conversation_id,
                                       const std::string& visitor_id);
/// For the workbench: throws NotFound for an unknown or withdrawn one.
ConversationView load_conversation(Transaction& t, const std::string& conversation_id);
Generation get_generation(Transaction& t, const std::string& generation_id);

struct ConversationFilter {
  std::string text;        ///< found in messages and answers, capitals and accents ignored; empty: all
  std::string visitor_id;  ///< empty: all
  std::string locale;      ///< empty: all
  std::optional<Source> source;
  int64_t limit = 50;     ///< 1..500
  std::string before_id;  ///< cursor: the last id of the page before; empty: newest
  int64_t offset = 0;     ///< for pages by number; slow when large
};
struct ConversationSummary {
  Conversation conversation;
  std::string title;  ///< first 120 characters of the first thing the person wrote
  int64_t messages = 0;
  int64_t votes = 0;  ///< standing ones
};
struct ConversationList {
  std::vector<ConversationSummary> rows;  ///< newest first
  int64_t total = 0;                      ///< that match, before paging
  std::string next_before_id;             ///< empty on the last page
};
/// Without withdrawn ones.
ConversationList list_conversations(Transaction& t, const ConversationFilter& filter);

}  // namespace afina::storage
