// SPDX-License-Identifier: Apache-2.0
#include "storage/conversations.h"

#include "base/error.h"
#include "base/hash.h"
#include "storage/occupied.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

// The owner's current consent, or NotFound.
std::string consent_of(Transaction& t, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec(
      "SELECT c.consent_event_id FROM visitor v JOIN current_consent c ON c.visitor_id = v.id "
      "WHERE v.id = $1::uuid AND v.withdrawn_at IS NULL AND c.granted",
      Params().text(visitor_id));
  if (rows.empty()) throw_not_found(visitor_id, "a visitor who has given consent");
  return rows.one().text("consent_event_id");
}

void require_own_conversation(Transaction& t, const std::string& id, const std::string& visitor_id) {
  require_uuid(id, "a conversation");
  require_uuid(visitor_id, "a visitor");
  const Result rows =
      t.exec("SELECT 1 FROM conversation WHERE id = $1::uuid AND visitor_id = $2::uuid AND withdrawn_at IS NULL",
             Params().text(id).text(visitor_id));
  if (rows.empty()) throw_not_found(id, "a conversation of this visitor");
}

Params generation_params(const Generation& g) {
  Params p;
  p.text(g.id).text(g.conversation_id).integer(int64_t{g.turn}).integer(int64_t{g.slot}).integer(int64_t{g.attempt});
  p.text(g.model).text(g.upstream).text_or_null(g.adapter_id).text(g.base_sha256).json(g.params).integer(g.seed);
  p.text(g.text).text(g.finish_reason).integer(g.prompt_tokens).integer(g.completion_tokens);
  g.prompt_ids ? p.integers(*g.prompt_ids) : p.null();
  g.completion_ids ? p.integers(*g.completion_ids) : p.null();
  p.text(g.template_sha256).real(g.first_token_ms).real(g.total_ms).text(g.error);
  return p;
}

Message read_asked(const Row& row) {
  Message message = read_message(row);
  message.wishes = row.text("wishes");
  return message;
}

// What belongs to one conversation. visitor_id: only what that person was shown and said; empty: everybody's.
ConversationView load(Transaction& t, const std::string& id, const std::string& visitor_id) {
  ConversationView view;
  const Result conversations = t.exec(
      "SELECT * FROM conversation WHERE id = $1::uuid AND withdrawn_at IS NULL "
      "AND ($2::uuid IS NULL OR visitor_id = $2::uuid)",
      Params().text(id).text_or_null(visitor_id));
  if (conversations.empty()) throw_not_found(id, "a conversation");
  view.conversation = read_conversation(conversations.one());
  const Params only_id = Params().text(id);
  const Params both = Params().text(id).text_or_null(visitor_id);
  const auto each = [](const Result& rows, auto& out, auto read) {
    for (size_t i = 0; i < rows.size(); ++i) {
      out.push_back(read(rows[i]));
    }
  };
  each(t.exec("SELECT * FROM message WHERE conversation_id = $1::uuid ORDER BY turn", only_id), view.messages,
       read_asked);
  each(t.exec("SELECT * FROM generation WHERE conversation_id = $1::uuid ORDER BY turn, slot, attempt", only_id),
       view.generations, read_generation);
  each(t.exec("SELECT * FROM pair WHERE conversation_id = $1::uuid ORDER BY turn, id", only_id), view.pairs, read_pair);
  each(t.exec("SELECT e.* FROM exposure e JOIN pair ON pair.id = e.pair_id WHERE pair.conversation_id = $1::uuid "
              "AND ($2::uuid IS NULL OR e.visitor_id = $2::uuid) ORDER BY e.shown_at, e.id",
              both),
       view.exposures, read_exposure);
  each(t.exec(cat("SELECT ", kPreferenceColumns,
                  " FROM preference p JOIN pair ON pair.id = p.pair_id JOIN visitor v ON v.id = p.visitor_id "
                  "WHERE pair.conversation_id = $1::uuid AND v.withdrawn_at IS NULL "
                  "AND ($2::uuid IS NULL OR p.visitor_id = $2::uuid) ORDER BY p.created_at, p.id"),
              both),
       view.preferences, read_preference);
  each(t.exec("SELECT r.* FROM rewrite r JOIN pair ON pair.id = r.pair_id JOIN visitor v ON v.id = r.visitor_id "
              "WHERE pair.conversation_id = $1::uuid AND v.withdrawn_at IS NULL "
              "AND ($2::uuid IS NULL OR r.visitor_id = $2::uuid) ORDER BY r.created_at, r.id",
              both),
       view.rewrites, read_rewrite);
  return view;
}

constexpr const char* kFilter =
    " c.withdrawn_at IS NULL AND ($1::uuid IS NULL OR c.visitor_id = $1::uuid) "
    "AND ($2::text IS NULL OR c.locale = $2) AND ($3::text IS NULL OR c.source = $3) "
    "AND ($4::text IS NULL OR EXISTS (SELECT FROM message m WHERE m.conversation_id = c.id "
    "AND strpos(fold_text(m.content), fold_text($4)) > 0) OR EXISTS (SELECT FROM generation g "
    "WHERE g.conversation_id = c.id AND strpos(fold_text(g.text), fold_text($4)) > 0)) ";

}  // namespace

bool same_wishes(const Message& stored, const Message& again) {
  return stored.wishes.empty() || again.wishes.empty() || stored.wishes == again.wishes;
}

Conversation create_conversation(Transaction& t, const Conversation& conversation) {
  const std::string consent = consent_of(t, conversation.visitor_id);
  t.exec(
      "INSERT INTO conversation (id, visitor_id, consent_event_id, locale, mode, source, client_key) "
      "VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
      Params()
          .text(conversation.id)
          .text(conversation.visitor_id)
          .text(conversation.consent_event_id.empty() ? consent : conversation.consent_event_id)
          .text(conversation.locale)
          .text(to_string(conversation.mode))
          .text(to_string(conversation.source))
          .text_or_null(conversation.client_key));
  const Result rows =
      t.exec("SELECT * FROM conversation WHERE visitor_id = $2::uuid AND (id = $1::uuid OR client_key = $3)",
             Params().text(conversation.id).text(conversation.visitor_id).text_or_null(conversation.client_key));
  if (rows.empty()) throw Occupied(cat("[storage] conversation id ", conversation.id, " must be new, but is taken."));
  const Conversation stored = read_conversation(rows[0]);
  if (stored.mode != conversation.mode || stored.locale != conversation.locale ||
      stored.source != conversation.source) {
    throw Conflict(cat("[storage] idempotency key '", conversation.client_key,
                       "' must begin the same conversation again, but asks for another mode, locale or source."),
                   "use a new key");
  }
  return stored;
}

Message append_message(Transaction& t, const Message& message, const std::string& visitor_id) {
  require_own_conversation(t, message.conversation_id, visitor_id);
  const std::string hash = sha256_hex(message.content);
  t.exec(
      "INSERT INTO message (id, conversation_id, turn, role, content, sha256, generation_id, client_key, wishes) "
      "VALUES ($1::uuid, $2::uuid, $3::integer, $4, $5, $6, $7::uuid, $8, $9) ON CONFLICT DO NOTHING",
      Params()
          .text(message.id)
          .text(message.conversation_id)
          .integer(int64_t{message.turn})
          .text(message.role)
          .text(message.content)
          .text(hash)
          .text_or_null(message.generation_id)
          .text_or_null(message.client_key)
          .text_or_null(message.wishes));
  // The row that stands at this turn or under this key: ours, an earlier sending of it, or something else.
  const Result rows = t.exec(
      "SELECT * FROM message WHERE conversation_id = $1::uuid AND (turn = $2::integer OR client_key = $3) "
      "ORDER BY client_key IS NOT DISTINCT FROM $3 DESC",
      Params().text(message.conversation_id).integer(int64_t{message.turn}).text_or_null(message.client_key));
  if (rows.empty()) throw Occupied(cat("[storage] message id ", message.id, " must be new, but is taken."));
  const Message stored = read_asked(rows[0]);
  if (stored.sha256 != hash || stored.role != message.role || stored.turn != message.turn ||
      stored.client_key != message.client_key || !same_wishes(stored, message)) {
    const std::string fault = cat("[storage] turn ", message.turn, " of conversation ", message.conversation_id,
                                  " must be free or hold the same message, but holds another.");
    if (stored.client_key == message.client_key && !message.client_key.empty()) throw Conflict(fault);
    throw TurnTaken(fault);
  }
  return stored;
}

Generation append_generation(Transaction& t, const Generation& generation) {
  require_uuid(generation.conversation_id, "a conversation");
  t.exec(
      "INSERT INTO generation (id, conversation_id, turn, slot, attempt, model, upstream, adapter_id, base_sha256, "
      "params, seed, text, finish_reason, prompt_tokens, completion_tokens, prompt_ids, completion_ids, "
      "template_sha256, first_token_ms, total_ms, error) VALUES ($1::uuid, $2::uuid, $3::integer, $4::smallint, "
      "$5::smallint, $6, $7, $8::uuid, $9, $10::jsonb, $11::bigint, $12, $13, $14::bigint, $15::bigint, "
      "$16::integer[], $17::integer[], $18, $19::double precision, $20::double precision, $21) "
      "ON CONFLICT (id) DO NOTHING",
      generation_params(generation));
  return get_generation(t, generation.id);
}

Generation get_generation(Transaction& t, const std::string& generation_id) {
  require_uuid(generation_id, "an answer");
  const Result rows = t.exec("SELECT * FROM generation WHERE id = $1::uuid", Params().text(generation_id));
  if (rows.empty()) throw_not_found(generation_id, "an answer");
  return read_generation(rows.one());
}

ConversationView load_own_conversation(Transaction& t, const std::string& conversation_id,
                                       const std::string& visitor_id) {
  require_uuid(conversation_id, "a conversation");
  require_uuid(visitor_id, "a visitor");
  return load(t, conversation_id, visitor_id);
}

ConversationView load_conversation(Transaction& t, const std::string& conversation_id) {
  require_uuid(conversation_id, "a conversation");
  return load(t, conversation_id, "");
}

ConversationList list_conversations(Transaction& t, const ConversationFilter& filter) {
  if (filter.limit < 1 || filter.limit > 500 || filter.offset < 0) {
    throw DataError(cat("[storage] a page must have 1 to 500 rows from 0 on, but asks for ", filter.limit, " from ",
                        filter.offset, "."));
  }
  const Params where = Params()
                           .text_or_null(filter.visitor_id)
                           .text_or_null(filter.locale)
                           .text_or_null(filter.source ? to_string(*filter.source) : "")
                           .text_or_null(filter.text);
  ConversationList list;
  list.total = t.exec(cat("SELECT count(*) AS n FROM conversation c WHERE", kFilter), where).one().integer("n");
  Params page = where;
  page.text_or_null(filter.before_id).integer(filter.limit).integer(filter.offset);
  const Result rows = t.exec(
      cat("SELECT c.*, (SELECT count(*) FROM message m WHERE m.conversation_id = c.id) AS messages, "
          "(SELECT count(*) FROM standing_preference s JOIN pair ON pair.id = s.pair_id "
          "WHERE pair.conversation_id = c.id) AS votes, "
          "(SELECT left(m.content, 120) FROM message m WHERE m.conversation_id = c.id AND m.role = 'user' "
          "ORDER BY m.turn LIMIT 1) AS title FROM conversation c WHERE",
          kFilter, "AND ($5::uuid IS NULL OR c.id < $5::uuid) ORDER BY c.id DESC LIMIT $6::bigint OFFSET $7::bigint"),
      page);
  for (size_t i = 0; i < rows.size(); ++i) {
    list.rows.push_back(
        {read_conversation(rows[i]), rows[i].text("title"), rows[i].integer("messages"), rows[i].integer("votes")});
  }
  if (static_cast<int64_t>(list.rows.size()) == filter.limit) list.next_before_id = list.rows.back().conversation.id;
  return list;
}

}  // namespace afina::storage
