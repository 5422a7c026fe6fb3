// SPDX-License-Identifier: Apache-2.0
// People and what they allowed: annotators (who judges, as far as known), visitors (one browser or API client that gave
// consent), consent texts and events, the receipt code that withdraws everything. Secrets are stored as SHA-256 only.
// Creating functions are safe to repeat with the same ids.
#pragma once
#include <vector>

#include "storage/types.h"

namespace afina::storage {

class Transaction;

/// anonymous: known by one visit only; annotator: an account; demo: a script; service: an API client.
enum class AnnotatorKind { anonymous, annotator, demo, service };
std::string_view to_string(AnnotatorKind value);
bool from_string(std::string_view word, AnnotatorKind& out);

struct Annotator {
  std::string id = new_uuid();
  AnnotatorKind kind = AnnotatorKind::anonymous;
  std::string name;  ///< pseudonym, unique where not empty; never an e-mail
  Time created_at{};
};
/// The annotator of that name, made where there is none. Throws Conflict where it exists with another kind.
Annotator ensure_annotator(Transaction& t, AnnotatorKind kind, const std::string& name);
/// A program that calls itself so: the annotator "api:NAME" of a service, "demo:NAME" of a demo. Anybody may say any
/// name, so it stands apart from the names of accounts, neither tells of one nor takes it, and proves nothing.
Annotator ensure_program(Transaction& t, AnnotatorKind kind, const std::string& name);
/// Whether a name begins as those of programs do: no account may have it.
bool is_program_name(std::string_view name);

struct ConsentText {
  std::string id = new_uuid();
  std::string version;  ///< "2026-11-21"
  std::string locale;   ///< BCP 47
  std::string body;     ///< the exact words or document that was shown
  std::string sha256;   ///< of body; computed
  Time created_at{};
};
/// Stores the text once for each (version, locale). Throws Conflict where that version stands with other words.
ConsentText ensure_consent_text(Transaction& t, const std::string& version, const std::string& locale,
                                const std::string& body);

/// What a person may allow. `train` is what snapshots ask for; `review`: other people may judge the answers.
inline constexpr std::string_view kPurposeTrain = "train";
inline constexpr std::string_view kPurposeReview = "review";
inline constexpr std::string_view kPurposePublish = "publish";

/// Append-only: the newest event of a visitor holds.
struct ConsentEvent {
  std::string id = new_uuid();
  std::string visitor_id;
  std::string text_id;
  bool granted = true;
  std::vector<std::string> purposes;  ///< lower-case words, at most 16
  Time created_at{};
};

struct NewVisitor {
  std::string id = new_uuid();
  std::string annotator_id;  ///< empty: an anonymous annotator is made with the visitor
  std::string locale;
  std::string session_token;  ///< new_session_token()
  std::string receipt_code;   ///< new_receipt_code()
  Source source = Source::web;
  ConsentEvent consent;  ///< visitor_id is filled in; must be granted
  /// http::network_of the client's address, stored as a keyed hash (storage/networks.h). Empty: not known, or an
  /// account.
  std::string network;
};
struct Visitor {
  std::string id, annotator_id, locale;
  Source source = Source::web;
  std::string consent_event_id;       ///< newest
  std::vector<std::string> purposes;  ///< of that event; empty where it is not granted
  Time created_at{};
  std::optional<Time> withdrawn_at;
};

/// 256 random bits as hex.
std::string new_session_token();
/// "AFINA-XXXXX-XXXXX-XXXXX-XXXXX": 100 random bits in Crockford's base32.
std::string new_receipt_code();
/// The code of these random digits, at least 40 of them, in hex.
std::string receipt_code_of(const std::string& hex);
/// Capitals, dashes and blanks do not matter; O, I and L read as 0, 1 and 1. Empty where it cannot be a code.
std::string normalise_receipt_code(std::string_view typed);

/// Visitor and consent in one act.
Visitor create_visitor(Transaction& t, const NewVisitor& visitor);
/// A later choice of the same person. Throws NotFound for an unknown or withdrawn visitor.
void add_consent_event(Transaction& t, const ConsentEvent& event);
Visitor get_visitor(Transaction& t, const std::string& visitor_id);
/// One for each token, in order; nothing for an unknown, ended or withdrawn session.
std::vector<std::optional<Visitor>> find_visitors_by_session(Transaction& t, const std::vector<std::string>& tokens);
inline std::optional<Visitor> find_visitor_by_session(Transaction& t, const std::string& session_token) {
  return find_visitors_by_session(t, {session_token})[0];
}
/// Whether that is the visitor's own code. False where there is no such visitor.
bool is_receipt_of(Transaction& t, const std::string& visitor_id, const std::string& receipt_code);
/// The browser's session ends; the data stays.
void end_session(Transaction& t, const std::string& visitor_id);

struct WithdrawalReport {
  std::string visitor_id, workspace_id;
  Time at{};
  bool already = false;  ///< had been withdrawn before; the rest repeats what was withdrawn then
  int64_t conversations = 0;
  int64_t votes = 0;
  std::vector<std::string> snapshot_ids, run_ids, adapter_ids;  ///< made from this data before: they are not undone
};
/// Withdraws all of the visitor's conversations and votes from every later snapshot and listing, and ends the session.
/// Throws NotFound for an unknown code.
WithdrawalReport withdraw(Transaction& t, const std::string& receipt_code);
/// The same for somebody who is known otherwise. Throws NotFound for an unknown visitor.
WithdrawalReport withdraw_visitor(Transaction& t, const std::string& visitor_id);

struct Made {
  std::string id, name;
};
struct MadeFrom {
  std::vector<Made> runs, adapters;
};
/// The names of a report's runs and adapters, in its order.
MadeFrom made_from(Transaction& t, const WithdrawalReport& report);

}  // namespace afina::storage
