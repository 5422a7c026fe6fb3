// SPDX-License-Identifier: Apache-2.0
#include "storage/events/completions.h"

#include <algorithm>

#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

/// Requests on one conversation queue here until their transaction ends.
void lock_conversation(Transaction& t, const std::string& conversation_id, const std::string& visitor_id) {
  require_uuid(conversation_id, "a conversation");
  if (t.exec("SELECT id FROM conversation WHERE id = $1::uuid AND visitor_id = $2::uuid AND withdrawn_at IS NULL "
             "FOR NO KEY UPDATE",
             Params().text(conversation_id).text(visitor_id))
          .empty()) {
    throw_not_found(conversation_id, "a conversation");
  }
}

std::vector<Message> stored_messages(Transaction& t, const std::string& conversation_id) {
  const Result rows =
      t.exec("SELECT * FROM message WHERE conversation_id = $1::uuid ORDER BY turn", Params().text(conversation_id));
  std::vector<Message> messages;
  for (size_t i = 0; i < rows.size(); ++i)
    messages.push_back(read_message(rows[i]));
  return messages;
}

/// How many messages at the beginning are the same words of the same roles.
size_t common_length(const std::vector<Message>& stored, const std::vector<Message>& sent) {
  const auto same = [](const Message& a, const Message& b) { return a.role == b.role && a.content == b.content; };
  return static_cast<size_t>(std::ranges::mismatch(stored, sent, same).in1 - stored.begin());
}

/// The answer that a client repeats as a message of the assistant, where it is one of ours.
std::string generation_of(Transaction& t, const Message& message) {
  if (message.role != "assistant") return "";
  const Result rows = t.exec(
      "SELECT id FROM generation WHERE conversation_id = $1::uuid AND turn = $2::integer AND text = $3 AND error = '' "
      "ORDER BY attempt DESC, slot LIMIT 1",
      Params().text(message.conversation_id).integer(int64_t{message.turn}).text(message.content));
  return rows.empty() ? "" : rows[0].text("id");
}

}  // namespace

PromptPlace log_prompt(Transaction& t, const LoggedPrompt& prompt) {
  PromptPlace place;
  std::vector<Message> stored;
  if (!prompt.conversation_id.empty()) {
    lock_conversation(t, prompt.conversation_id, prompt.visitor_id);
    stored = stored_messages(t, prompt.conversation_id);
    const size_t common = common_length(stored, prompt.messages);
    const bool goes_on = common == stored.size();
    const bool asks_again =
        common == prompt.messages.size() && common < stored.size() && stored[common].role == "assistant";
    place.begun = !goes_on && !asks_again;
    place.conversation_id = prompt.conversation_id;
  }
  if (place.begun) {
    Conversation conversation;
    conversation.id = prompt.new_conversation_id;
    conversation.visitor_id = prompt.visitor_id;
    conversation.locale = prompt.locale;
    conversation.mode = prompt.mode;
    conversation.source = Source::api;
    place.conversation_id = create_conversation(t, conversation).id;
    stored.clear();
  }
  for (size_t i = stored.size(); i < prompt.messages.size(); ++i) {
    Message message = prompt.messages[i];
    message.conversation_id = place.conversation_id;
    message.turn = static_cast<int>(i);
    message.generation_id = generation_of(t, message);
    append_message(t, message, prompt.visitor_id);
  }
  place.turn = static_cast<int>(prompt.messages.size());
  return place;
}

int log_answers(Transaction& t, const LoggedAnswers& answers, std::optional<int> attempt) {
  const Generation& first = answers.generations.at(0);
  lock_conversation(t, first.conversation_id, answers.visitor_id);
  if (!attempt) {
    const Result rows = t.exec(
        "SELECT coalesce((SELECT attempt FROM generation WHERE id = $3::uuid), max(attempt) + 1, 0) AS n "
        "FROM generation WHERE conversation_id = $1::uuid AND turn = $2::integer",
        Params().text(first.conversation_id).integer(int64_t{first.turn}).text(first.id));
    attempt = static_cast<int>(rows.one().integer("n"));
  }
  for (Generation generation : answers.generations) {
    generation.attempt = *attempt;
    append_generation(t, generation);
    if (answers.message_id.empty() || generation.id != answers.shown_id || !generation.error.empty()) continue;
    if (static_cast<int>(stored_messages(t, generation.conversation_id).size()) != generation.turn) continue;
    Message message;
    message.id = answers.message_id;
    message.conversation_id = generation.conversation_id;
    message.turn = generation.turn;
    message.role = "assistant";
    message.content = generation.text;
    message.generation_id = generation.id;
    append_message(t, message, answers.visitor_id);
  }
  return *attempt;
}

bool log_blind_pair(Transaction& t, const BlindPair& pair) {
  const Result whole =
      t.exec("SELECT count(*) AS n FROM generation WHERE id IN ($1::uuid, $2::uuid) AND error = '' AND text <> ''",
             Params().text(pair.generation_a_id).text(pair.generation_b_id));
  if (whole.one().integer("n") != 2) return false;
  const bool shows_a = pair.shown_id == pair.generation_a_id;
  const std::string pair_id = create_pair(t, pair.generation_a_id, pair.generation_b_id).id;
  t.exec(
      "INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left, shown, leak_a, leak_b) "
      "SELECT $1::uuid, $2::uuid, id, annotator_id, $4::boolean, $5, $6::boolean, $7::boolean FROM visitor "
      "WHERE id = $3::uuid ON CONFLICT DO NOTHING",
      Params()
          .text(pair.exposure_id)
          .text(pair_id)
          .text(pair.visitor_id)
          .boolean(shows_a)
          .text(shows_a ? "a" : "b")
          .boolean(pair.leak_a)
          .boolean(pair.leak_b));
  return true;
}

LoggedCompletion find_completion(Transaction& t, const std::string& generation_id, const std::string& visitor_id) {
  require_uuid(generation_id, "a completion");
  const Result rows = t.exec(
      "SELECT g.* FROM generation g JOIN conversation c ON c.id = g.conversation_id "
      "WHERE g.id = $1::uuid AND c.visitor_id = $2::uuid AND c.withdrawn_at IS NULL FOR NO KEY UPDATE OF c",
      Params().text(generation_id).text(visitor_id));
  if (rows.empty()) throw_not_found(generation_id, "a completion");
  LoggedCompletion found;
  found.generation = read_generation(rows.one());
  const Result shown = t.exec(
      "SELECT e.*, p.generation_a_id = $1::uuid AS is_a FROM pair p JOIN exposure e ON e.pair_id = p.id "
      "WHERE $1::uuid IN (p.generation_a_id, p.generation_b_id) AND e.visitor_id = $2::uuid "
      "ORDER BY e.shown_at DESC LIMIT 1",
      Params().text(generation_id).text(visitor_id));
  const Params whose = Params().text(generation_id).text(visitor_id);
  if (shown.empty()) {
    found.acts =
        t.exec("SELECT count(*) AS n FROM answer_note WHERE generation_id = $1::uuid AND visitor_id = $2::uuid", whose)
            .one()
            .integer("n");
    return found;
  }
  found.acts =
      t.exec("SELECT count(*) AS n FROM preference WHERE exposure_id = $1::uuid", Params().text(shown.one().text("id")))
          .one()
          .integer("n");
  found.exposure = read_exposure(shown.one());
  found.is_a = shown.one().boolean("is_a");
  return found;
}

}  // namespace afina::storage
