// SPDX-License-Identifier: Apache-2.0
// People, conversations and pairs for storage tests, in few words.
#pragma once
#include <string>
#include <utility>

#include "storage/conversations.h"
#include "storage/people.h"
#include "storage/preferences.h"
#include "storage/transaction.h"
#include "tests/support/test_database.h"

namespace afina::storage {

struct Person {
  std::string visitor_id, session, receipt;
};

inline Person make_person(Transaction& t, std::vector<std::string> purposes = {"train", "review"},
                          const std::string& annotator_id = "") {
  NewVisitor v;
  v.annotator_id = annotator_id;
  v.locale = "es";
  v.session_token = new_session_token();
  v.receipt_code = new_receipt_code();
  v.consent.text_id = ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
  v.consent.purposes = std::move(purposes);
  create_visitor(t, v);
  return {v.id, v.session_token, v.receipt_code};
}

struct Shown {
  Conversation conversation;
  Generation a, b;
  Pair pair;
  Exposure exposure;
};

inline Shown make_pair_for(Transaction& t, const Person& person, const std::string& question = "¿Dónde pago la luz?",
                           const std::string& adapter_of_b = "") {
  Shown s;
  Conversation c;
  c.visitor_id = person.visitor_id;
  c.locale = "es";
  s.conversation = create_conversation(t, c);
  Message m;
  m.conversation_id = c.id;
  m.role = "user";
  m.content = question;
  append_message(t, m, person.visitor_id);
  Generation g;
  g.conversation_id = c.id;
  g.turn = 1;
  g.model = "smollm2";
  g.text = "En la oficina de la calle principal.";
  s.a = append_generation(t, g);
  g.id = new_uuid();
  g.slot = 1;
  g.adapter_id = adapter_of_b;
  g.text = "No lo sé.";
  s.b = append_generation(t, g);
  s.pair = create_pair(t, s.a.id, s.b.id);
  Exposure e;
  e.pair_id = s.pair.id;
  e.visitor_id = person.visitor_id;
  s.exposure = create_exposure(t, e);
  return s;
}

inline NewPreference vote_on(const Exposure& exposure, int grade, const std::string& key = new_uuid()) {
  NewPreference p;
  p.exposure_id = exposure.id;
  p.visitor_id = exposure.visitor_id;
  p.grade = grade;
  p.idempotency_key = key;
  return p;
}

}  // namespace afina::storage
