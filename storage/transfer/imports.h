// SPDX-License-Identifier: Apache-2.0
// Where imported files leave their rows: one import a file, and batches of rows that were made before. Every id comes
// from the source and what the row is called and says there, so a row that comes twice changes nothing and a file that
// was cut off may be given again.
#pragma once
#include <string>
#include <vector>

#include "storage/conversations.h"
#include "storage/judgements/details.h"
#include "storage/preferences.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct NewImport {
  std::string id = new_uuid();
  std::string workspace_id;
  std::string source;  ///< name of where it comes from, 1..200 bytes: the same source may bring many files
  std::string format;
  std::string sha256;  ///< of the file
  int64_t bytes = 0;
  std::string licence;                ///< 1..200 bytes: what the importer declares
  std::string declaration;            ///< 1..4,000 bytes: on what ground the data may be used
  std::vector<std::string> purposes;  ///< that the declaration covers
  std::string locale;                 ///< of rows that name none
  std::string actor;                  ///< for the audit trail
  std::string visitor_id = new_uuid();
  std::string receipt_code;  ///< new_receipt_code(): takes the whole file back
};

struct ImportCounts {
  int64_t conversations = 0, answers = 0, judgements = 0;  ///< new ones
  int64_t existing = 0;                                    ///< conversations and judgements that were there before
  int64_t narrower = 0;  ///< of existing conversations: those that stand under a declaration that allows less than this
                         ///< import's
  int64_t skipped = 0;   ///< rows of the file
};

struct Import {
  std::string id, source_id, source, workspace_id, format, sha256, licence, declaration, actor, visitor_id, text_id;
  std::string locale;
  std::vector<std::string> purposes;
  int64_t bytes = 0;
  bool finished = false;
  bool created = true;  ///< false: this file was given before; its counts stand here
  ImportCounts counts;
  Time source_created_at{};  ///< part of every id
  Time created_at{};
  std::optional<Time> finished_at;
};

/// Makes the source, its consent text and the import where they are not there; the same file of the same source gives
/// the earlier row, with the purposes and the text that are declared now: what it owns may be used for these as well
/// from then on. Writes the audit row of a new one, and of one that may be used for more. Throws DataError for empty or
/// too long words.
Import begin_import(Transaction& t, const NewImport& import);

/// Who judged, known by a hash only. Made with a visitor that carries the import's declaration.
struct ImportedPerson {
  std::string visitor_id, annotator_id, name;  ///< name: "import:…", unique
};
struct ImportedConversation {
  std::string id, external_id, locale;
  Mode mode = Mode::chat;
};
struct ImportedPreference {
  NewPreference said;  ///< visitor_id is not used: the exposure's stands
  bool blind = true;
  JudgementDetails details;
};
struct ImportedScore {
  std::string id, generation_id, visitor_id, annotator_id;
  std::string question;         ///< of the tool, at most 200 bytes; "" where it asks one
  double value = 0.0;           ///< 0..1
  std::optional<double> scale;  ///< best mark of the scale it was read on; nothing: the file gives 0..1, or a thumb
};
struct ImportedRanking {
  std::string id, conversation_id, visitor_id, annotator_id;
  int turn = 0;
  std::vector<std::string> generation_ids;
  std::vector<int> ranks;  ///< 0 is best
};
/// Rows of some records, each complete: whatever they refer to is in here or was stored before.
struct ImportBatch {
  std::vector<ImportedPerson> people;
  std::vector<ImportedConversation> conversations;
  std::vector<Message> messages;
  std::vector<Generation> generations;
  std::vector<Pair> pairs;
  std::vector<Exposure> exposures;
  std::vector<ImportedPreference> preferences;
  std::vector<ImportedScore> scores;
  std::vector<ImportedRanking> rankings;
  std::vector<Rewrite> rewrites;
};
/// Those of the visitors who have not withdrawn and allow less than the import's declaration get a new consent row:
/// what they allowed before and what is declared. Returns how many.
int64_t widen_consent(Transaction& t, const Import& import, const std::vector<std::string>& visitor_ids);

/// Adds what is new, and its counts to the import. People whom an earlier file of the source brought under less than
/// this one declares allow both from then on. Throws DataError for a value out of range; nothing of the batch is
/// stored then.
ImportCounts add_import_batch(Transaction& t, const Import& import, const ImportBatch& batch);
/// Ends it, also again after a later reading. skipped: rows of the file that gave nothing this time.
void finish_import(Transaction& t, const std::string& import_id, int64_t skipped);

/// Newest first, of one workspace.
std::vector<Import> list_imports(Transaction& t, const std::string& workspace_id, int64_t limit,
                                 const std::string& before_id = "");

/// A UUIDv7 whose time is the source's and whose other bits are of SHA-256(source id, words): the same for the same
/// words.
std::string import_uuid(const Import& import, std::string_view words);

}  // namespace afina::storage
