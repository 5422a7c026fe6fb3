// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/import_rows.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "datasets/transfer/import_parser.h"

namespace afina::datasets {
namespace {

using Kind = ImportJudgement::Kind;

constexpr size_t kMostExternalId = 200;

storage::Outcome outcome_of(Kind kind) {
  switch (kind) {
    case Kind::both_good:
      return storage::Outcome::both_good;
    case Kind::both_bad:
      return storage::Outcome::both_bad;
    case Kind::cannot_judge:
      return storage::Outcome::cannot_judge;
    case Kind::retracted:
      return storage::Outcome::retracted;
    case Kind::graded:
    case Kind::ranking:
    case Kind::score:
      break;
  }
  return storage::Outcome::graded;
}

// Of a side that the file does not tell: as often left as right, so that no position bias is invented.
bool coin(const std::string& id) {
  return (id.back() >= '0' && id.back() <= '7');
}

}  // namespace

// Words are told apart by their lengths.
std::string ImportRows::id_of(std::initializer_list<std::string_view> words) const {
  std::string all;
  for (const std::string_view word : words)
    all += cat(word.size(), ":", word);
  return storage::import_uuid(import_, all);
}

std::string ImportRows::generation_id(const std::string& conversation, int turn, int slot) const {
  return id_of({"generation", conversation, std::to_string(turn), std::to_string(slot)});
}

const ImportRows::Person& ImportRows::person(const std::string& annotator) {
  const auto [found, first] = people_.try_emplace(annotator);
  Person& person = found->second;
  if (!first) return person;
  const std::string name = sha256_hex(cat("annotator:", import_.source_id, ":", annotator)).substr(0, 32);
  person.annotator_id = id_of({"annotator", name});
  person.visitor_id = id_of({"visitor", name});
  batch_.people.push_back({person.visitor_id, person.annotator_id, cat("import:", name)});
  return person;
}

void ImportRows::add(const ImportRecord& record) {
  std::string words = cat(record.external_id.size(), ":", record.external_id);
  for (const ImportMessage& m : record.messages)
    words += cat(m.role, m.content.size(), ":", m.content);
  for (const ImportAnswer& a : record.answers)
    words += cat("answer", a.text.size(), ":", a.text, a.model);
  const std::string conversation = id_of({"conversation", words});
  ++records_;
  bytes_ += words.size();
  std::string external = record.external_id;
  if (external.size() > kMostExternalId) external = "sha256:" + sha256_hex(external);
  batch_.conversations.push_back({conversation, external, record.locale.empty() ? locale_ : record.locale,
                                  record.answers.empty() ? storage::Mode::chat : storage::Mode::arena});
  add_chat(record, conversation);
  add_answers(record, conversation);
  for (size_t i = 0; i < record.judgements.size(); ++i)
    add_said(record, conversation, i);
}

void ImportRows::add_chat(const ImportRecord& record, const std::string& conversation) {
  int turn = 0;
  for (const ImportMessage& m : record.messages) {
    storage::Message message;
    message.id = id_of({"message", conversation, std::to_string(turn)});
    message.conversation_id = conversation;
    message.turn = turn;
    message.role = m.role;
    message.content = m.content;
    // An assistant's words are an answer too where the file names who gave them.
    if (m.role == "assistant" && !m.model.empty()) {
      storage::Generation generation;
      generation.id = message.generation_id = generation_id(conversation, turn, 0);
      generation.conversation_id = conversation;
      generation.turn = turn;
      generation.model = m.model;
      generation.text = m.content;
      batch_.generations.push_back(std::move(generation));
    }
    batch_.messages.push_back(std::move(message));
    ++turn;
  }
}

void ImportRows::add_answers(const ImportRecord& record, const std::string& conversation) {
  const int turn = static_cast<int>(record.messages.size());
  for (size_t slot = 0; slot < record.answers.size(); ++slot) {
    storage::Generation generation;
    generation.id = generation_id(conversation, turn, static_cast<int>(slot));
    generation.conversation_id = conversation;
    generation.turn = turn;
    generation.slot = static_cast<int>(slot);
    generation.model = record.answers[slot].model.empty() ? "unknown" : record.answers[slot].model;
    generation.text = record.answers[slot].text;
    batch_.generations.push_back(std::move(generation));
  }
}

std::string ImportRows::add_exposure(const std::string& conversation, int turn, int a, int b, const Person& person,
                                     std::optional<bool> a_on_left) {
  const std::string first = generation_id(conversation, turn, a), second = generation_id(conversation, turn, b);
  const std::string pair = id_of({"pair", first, second});
  if (pairs_.insert(pair).second) {
    storage::Pair row;
    row.id = pair;
    row.conversation_id = conversation;
    row.turn = turn;
    row.generation_a_id = first;
    row.generation_b_id = second;
    batch_.pairs.push_back(std::move(row));
  }
  const std::string id = id_of({"exposure", pair, person.annotator_id});
  if (exposures_.insert(id).second) {
    storage::Exposure row;
    row.id = id;
    row.pair_id = pair;
    row.visitor_id = person.visitor_id;
    row.a_on_left = a_on_left.value_or(coin(id));
    batch_.exposures.push_back(std::move(row));
  }
  return id;
}

void ImportRows::add_preference(const ImportJudgement& said, const std::string& exposure, const std::string& key) {
  storage::ImportedPreference row;
  row.said.id = id_of({"preference", exposure, key});
  row.said.exposure_id = exposure;
  row.said.outcome = outcome_of(said.kind);
  row.said.grade = row.said.outcome == storage::Outcome::graded ? said.grade : 0;
  row.said.confidence = said.confidence;
  row.said.reason = said.reason;
  row.said.ms_to_decide = said.ms_to_decide;
  row.said.screen = said.screen;
  row.said.source = storage::Source::import;
  if (!said.supersedes.empty()) row.said.supersedes_id = id_of({"preference", exposure, said.supersedes});
  row.blind = said.blind;
  row.details.reason_language = said.reason_language;
  batch_.preferences.push_back(std::move(row));
}

void ImportRows::add_ranking(const ImportRecord& record, const ImportJudgement& said, const std::string& conversation,
                             const Person& person) {
  const int turn = static_cast<int>(record.messages.size());
  storage::ImportedRanking row;
  row.conversation_id = conversation;
  row.turn = turn;
  row.visitor_id = person.visitor_id;
  row.annotator_id = person.annotator_id;
  for (size_t i = 0; i < said.ranks.size(); ++i) {
    if (said.ranks[i] < 0) continue;
    row.generation_ids.push_back(generation_id(conversation, turn, static_cast<int>(i)));
    row.ranks.push_back(said.ranks[i]);
  }
  row.id = id_of({"ranking", conversation, person.annotator_id, said.external_id});
  batch_.rankings.push_back(std::move(row));
  std::string reason = said.reason;
  for (size_t a = 0; a < said.ranks.size(); ++a) {
    for (size_t b = a + 1; b < said.ranks.size(); ++b) {
      if (said.ranks[a] < 0 || said.ranks[b] < 0) continue;
      ImportJudgement pairwise;
      pairwise.grade = said.ranks[a] == said.ranks[b] ? 0 : said.ranks[a] < said.ranks[b] ? kPlainGrade : -kPlainGrade;
      pairwise.blind = said.blind;
      pairwise.reason = std::exchange(reason, "");  // said once, for all of its pairs
      if (!pairwise.reason.empty()) pairwise.reason_language = said.reason_language;
      const std::string exposure =
          add_exposure(conversation, turn, static_cast<int>(a), static_cast<int>(b), person, std::nullopt);
      add_preference(pairwise, exposure, cat("ranking:", said.external_id));
    }
  }
}

// Marks of one question on the usual scale have the ids that they had before there were others.
void ImportRows::add_score(const ImportJudgement& said, const std::string& generation, const Person& who) {
  std::string more = said.question;
  if (scale_ && *scale_ != ParseOptions{}.rating_max) more = cat(more.size(), ":", more, "of ", *scale_);
  const std::string_view head = "score";
  const std::string id = more.empty() ? id_of({head, generation, who.annotator_id, said.external_id})
                                      : id_of({head, generation, who.annotator_id, said.external_id, more});
  batch_.scores.push_back({id, generation, who.visitor_id, who.annotator_id, said.question, said.score, scale_});
}

void ImportRows::add_said(const ImportRecord& record, const std::string& conversation, size_t which) {
  const ImportJudgement& said = record.judgements[which];
  const Person& who = person(said.annotator);
  const int turn = static_cast<int>(record.messages.size());
  if (said.kind == Kind::ranking) return add_ranking(record, said, conversation, who);
  if (said.kind == Kind::score) {
    return add_score(said, generation_id(conversation, turn, said.answer), who);
  }
  const std::string exposure = add_exposure(conversation, turn, said.a, said.b, who, said.a_on_left);
  const std::string key = said.external_id.empty() ? "only" : said.external_id;
  add_preference(said, exposure, key);
  const auto answer = [&](int index) { return generation_id(conversation, turn, index); };
  storage::JudgementDetails& details = batch_.preferences.back().details;
  for (const ImportAspect& x : said.aspects) {
    storage::Aspect aspect{};
    storage::from_string(x.aspect, aspect);
    details.aspects.push_back({answer(x.answer), aspect, x.value});
  }
  for (const ImportNote& x : said.flags) {
    storage::FlagKind kind{};
    storage::from_string(x.kind, kind);
    details.flags.push_back({answer(x.answer), kind, x.text});
  }
  for (const ImportNote& x : said.spans)
    details.spans.push_back({answer(x.answer), x.start, x.end, x.kind, x.text});
  if (said.rewrite.empty()) return;
  storage::Rewrite rewrite;
  rewrite.id = id_of({"rewrite", exposure, said.rewrite});
  rewrite.exposure_id = exposure;
  rewrite.text = said.rewrite;
  batch_.rewrites.push_back(std::move(rewrite));
}

storage::ImportBatch ImportRows::take() {
  records_ = 0;
  bytes_ = 0;
  people_.clear();
  pairs_.clear();
  exposures_.clear();
  return std::exchange(batch_, {});
}

}  // namespace afina::datasets
