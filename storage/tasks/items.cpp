// SPDX-License-Identifier: Apache-2.0
// Items that engineers bring: checked whole before the first is written.
#include "storage/tasks/items.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "storage/conversations.h"
#include "storage/people.h"
#include "storage/tasks/item_rows.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxTextBytes = 64 * 1024;
constexpr size_t kMaxPromptMessages = 64;
constexpr const char* kDeclarationVersion = "import-declaration-1";
constexpr const char* kDeclaration =
    "An organisation brought these texts in itself. By importing them it declared: it may let people judge them, it "
    "may "
    "train models with them, and they hold no data about people who would have to be asked. Nobody's consent was asked "
    "by this program.";

// Of valid text: bytes that begin one.
int64_t count_code_points(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

[[noreturn]] void bad(size_t index, const std::string& must) {
  throw DataError(cat("[items[", index, "]] ", must));
}

void check_texts(size_t i, const NewItem& item) {
  if (item.prompt.empty() || item.prompt.size() > kMaxPromptMessages)
    bad(i, cat("prompt must have 1 to ", kMaxPromptMessages, " messages, but has ", item.prompt.size(), "."));
  for (const auto& message : item.prompt) {
    if (message.role != "system" && message.role != "user" && message.role != "assistant")
      bad(i, "a role must be system, user or assistant, but is another.");
    if (message.content.empty() || message.content.size() > kMaxTextBytes)
      bad(i, "a message must have 1 byte to 64 KiB, but has not.");
  }
  if (item.prompt.back().role == "assistant")
    bad(i, "a prompt must end with what is answered, but ends with an answer.");
  for (const auto& answer : item.answers) {
    if (answer.text.empty() || answer.text.size() > kMaxTextBytes)
      bad(i, "an answer must have 1 byte to 64 KiB, but has not.");
    if (answer.model.size() > 500) bad(i, "a model's name must have at most 500 bytes, but has more.");
  }
}

void check_item(size_t i, const NewItem& item, const ProjectSettings& settings) {
  check_texts(i, item);
  const size_t answers = item.answers.size();
  const bool pair = settings.kind == ProjectKind::pairwise;
  if (answers == 0 || answers > kMaxItemAnswers || (pair && answers != 2) ||
      (settings.kind == ProjectKind::ranking && answers < 2)) {
    bad(i, cat("a ", to_string(settings.kind), " item must have ",
               pair                                    ? "2"
               : settings.kind == ProjectKind::ranking ? "2 to 26"
                                                       : "1 to 26",
               " answers, but has ", answers, "."));
  }
  if (item.external_id.size() > 200) bad(i, "external_id must have at most 200 bytes, but has more.");
  if (item.priority < 0 || item.priority > 9) bad(i, "priority must be from 0 to 9, but is not.");
  if (item.feedback.size() > 4000) bad(i, "feedback must have at most 4000 bytes, but has more.");
  if (item.gold) verdict_from_json(settings.kind, *item.gold, static_cast<int>(answers), cat("items[", i, "].gold"));
  if (item.training && !item.gold && settings.kind != ProjectKind::rewrite)
    bad(i, "a training item must have a known answer (gold), but has none.");
}

std::set<std::string> known_external_ids(Transaction& t, const std::string& project_id,
                                         const std::vector<NewItem>& items) {
  std::vector<std::string> asked;
  for (const auto& item : items)
    if (!item.external_id.empty()) asked.push_back(item.external_id);
  const Result rows =
      t.exec("SELECT external_id FROM item WHERE project_id = $1::uuid AND external_id = ANY ($2::text[])",
             Params().text(project_id).texts(asked));
  std::set<std::string> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out.insert(rows[i].text("external_id"));
  return out;
}

// Whose conversations a workspace's imports are.
std::string importer_of(Transaction& t, const std::string& workspace_id) {
  const std::string name = cat("importer ", workspace_id);
  const Result rows = t.exec(
      "SELECT v.id FROM visitor v JOIN annotator a ON a.id = v.annotator_id WHERE a.name = $1 AND v.source = 'import' "
      "AND v.withdrawn_at IS NULL AND v.workspace_id = $2::uuid ORDER BY v.id LIMIT 1",
      Params().text(name).text(workspace_id));
  if (!rows.empty()) return rows[0].text("id");
  NewVisitor visitor;
  visitor.annotator_id = ensure_annotator(t, AnnotatorKind::service, name).id;
  visitor.source = Source::import;
  visitor.session_token = new_session_token();
  visitor.receipt_code = new_receipt_code();
  visitor.consent.text_id = ensure_consent_text(t, kDeclarationVersion, "en", kDeclaration).id;
  visitor.consent.purposes = {std::string(kPurposeTrain), std::string(kPurposeReview)};
  return create_visitor(t, visitor).id;
}

// Prompt and answers as a conversation of their own.
ItemRow store_texts(Transaction& t, const NewItem& item, const Project& project, const std::string& visitor_id) {
  ItemRow row;
  Conversation conversation;
  conversation.visitor_id = visitor_id;
  conversation.locale = project.settings.locale;
  conversation.mode = Mode::arena;
  conversation.source = Source::import;
  row.conversation_id = create_conversation(t, conversation).id;
  for (const auto& given : item.prompt) {
    Message message;
    message.conversation_id = row.conversation_id;
    message.turn = row.turn++;
    message.role = given.role;
    message.content = given.content;
    row.text_chars += count_code_points(given.content);
    append_message(t, message, visitor_id);
  }
  for (const auto& given : item.answers) {
    Generation generation;
    generation.conversation_id = row.conversation_id;
    generation.turn = row.turn;
    generation.slot = static_cast<int>(row.generation_ids.size());
    generation.model = given.model.empty() ? "imported" : given.model;
    generation.text = given.text;
    row.text_chars += count_code_points(given.text);
    row.generation_ids.push_back(append_generation(t, generation).id);
  }
  if (project.settings.kind == ProjectKind::pairwise || row.generation_ids.size() == 2)
    row.pair_id = create_pair(t, row.generation_ids[0], row.generation_ids[1]).id;
  return row;
}

}  // namespace

ItemsAdded add_items(Transaction& t, const ItemRequest& request, const std::vector<NewItem>& items) {
  OpenBatch batch = open_batch(t, request, ItemSource::import);
  if (batch.repeated) return *batch.repeated;
  if (items.empty() || items.size() > kMaxItemsOfRequest)
    throw DataError(cat("[items] must be 1 to ", kMaxItemsOfRequest, " items, but are ", items.size(), "."));
  for (size_t i = 0; i < items.size(); ++i)
    check_item(i, items[i], batch.project.settings);
  std::set<std::string> seen = known_external_ids(t, request.project_id, items);
  std::vector<const NewItem*> fresh;
  for (const auto& item : items)
    if (item.external_id.empty() || seen.insert(item.external_id).second) fresh.push_back(&item);
  const ItemsAdded counts{static_cast<int64_t>(fresh.size()), static_cast<int64_t>(items.size() - fresh.size())};
  write_batch(t, batch, request, counts);
  std::string visitor_id = request.owner_id;
  if (visitor_id.empty() && !fresh.empty()) visitor_id = importer_of(t, request.workspace_id);
  for (const NewItem* item : fresh) {
    ItemRow row = store_texts(t, *item, batch.project, visitor_id);
    row.external_id = item->external_id;
    row.feedback = item->feedback;
    row.priority = item->priority;
    row.training = item->training;
    row.is_gold = item->gold && !item->training;
    row.gold = item->gold;
    insert_item(t, batch, row);
  }
  close_batch(t, batch);
  return counts;
}

}  // namespace afina::storage
