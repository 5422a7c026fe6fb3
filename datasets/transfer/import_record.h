// SPDX-License-Identifier: Apache-2.0
// The one form that every import format is read into: a conversation, candidate answers to its last message, and what
// people said about them. Plain data; ids and rows are made in import_rows.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "storage/judgements/screen.h"

namespace afina::datasets {

enum class ImportFormat { text, markdown, qa, jsonl, argilla, label_studio, open_assistant, lmsys, sharegpt };
std::string_view to_string(ImportFormat format);
bool from_string(std::string_view word, ImportFormat& out);

/// Of formats that say only which answer is better: "better", neither slightly nor much.
inline constexpr int kPlainGrade = 2;
/// Of a ranking, counted from 0.
inline constexpr int kMostRank = 999;

struct ImportMessage {
  std::string role;  ///< system, user, assistant
  std::string content;
  std::string model;  ///< of an assistant's; may be empty
};
struct ImportAnswer {
  std::string text, model;
};
struct ImportAspect {
  int answer = 0;
  std::string aspect;  ///< a word of storage::Aspect
  int value = 0;       ///< 1..5
};
struct ImportNote {
  int answer = 0;
  std::string kind, text;
  int64_t start = 0, end = 0;  ///< code points; of spans
};

/// What one person said in one act.
struct ImportJudgement {
  enum class Kind { graded, both_good, both_bad, cannot_judge, retracted, ranking, score };
  Kind kind = Kind::graded;
  int a = 0, b = 1;        ///< answers that a graded one and its kin compare; a < b
  int grade = 0;           ///< −3 (b much better) … 3 (a much better)
  std::vector<int> ranks;  ///< ranking: of every answer in order, 0 is best, −1 was not ranked
  int answer = 0;          ///< score: of this answer
  double score = 0.0;      ///< 0..1
  std::string annotator;   ///< name in the file; only a hash of it is kept
  std::string question;    ///< of the tool, where it asks several about one answer; "" where it asks one
  std::string external_id, supersedes;
  std::string reason, reason_language, rewrite;
  std::optional<int> confidence;
  std::optional<int64_t> ms_to_decide;
  std::optional<bool> a_on_left;
  std::optional<storage::Screen> screen;
  bool blind = true;
  std::vector<ImportAspect> aspects;
  std::vector<ImportNote> flags, spans;
};
std::string_view to_string(ImportJudgement::Kind kind);

struct ImportRecord {
  int64_t line = 0;         ///< where it begins in the file, from 1
  std::string external_id;  ///< may be empty
  std::string locale;       ///< BCP 47; may be empty
  std::vector<ImportMessage> messages;
  std::vector<ImportAnswer> answers;  ///< to the last message; none: a chat, or a prompt alone
  std::vector<ImportJudgement> judgements;
};

/// A row of the file that gave nothing. why: one line without control characters, at most 300 bytes.
struct SkippedRow {
  int64_t line = 0;
  std::string why;
};

/// Canonical, for tests and for people who want to look.
OrderedJson record_json(const ImportRecord& record);
/// Throws DataError for texts that cannot be stored (U+0000, invalid UTF-8, too long), for no messages, and for
/// judgements out of range.
void check_record(const ImportRecord& record);
/// For terminals and JSON alike: control characters become U+FFFD, the rest is cut at a character's end.
std::string printable(std::string_view text, size_t max_bytes = 300);

}  // namespace afina::datasets
