// SPDX-License-Identifier: Apache-2.0
// Rows of an export that are not judgements of pairs: conversations, rankings, marks of single answers. Constant
// memory; views are valid until next(). Lists are PackedText.
#pragma once
#include <string_view>

#include "storage/cursor.h"
#include "storage/transfer/export_filter.h"

namespace afina::storage {

struct ExportConversation {
  std::string_view id, locale, source, mode, created_at, purposes;
  std::string_view messages;  ///< tag s, u or a for the role
  std::string_view models;    ///< of the same messages: no tag text but "-", text the model's name or ""
  std::string_view answers;   ///< of all answers, each as three entries: tag TURN/SLOT/ATTEMPT with the answer's text,
                              ///< "m" with the model's name, "p" with its parameters as JSON text
};
class ConversationStream {
 public:
  ConversationStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportConversation& row() const { return row_; }

 private:
  Cursor rows_;
  ExportConversation row_;
};

/// Rankings of task projects and of files, of people who consented.
struct ExportRanking {
  std::string_view id, conversation_id, locale, annotator_id, prompt;
  std::string_view answers;  ///< best first; tag its rank, equal ones equally good
  bool of_file = false;      ///< then each two of its answers are a judged pair too
};
class RankingStream {
 public:
  RankingStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportRanking& row() const { return row_; }

 private:
  Cursor rows_;
  ExportRanking row_;
};

/// Mean marks of answers that stand in a file's rows: kOverallMark and kStandingMark (mark_stream.h) say which count.
/// An answer that was marked on other questions alone has marks 0 and value 0.
struct ExportScore {
  std::string_view generation_id, conversation_id, locale, prompt, text, model;
  double value = 0.0;  ///< 0..1
  int64_t marks = 0;
};
class ScoreStream {
 public:
  ScoreStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportScore& row() const { return row_; }

 private:
  Cursor rows_;
  ExportScore row_;
};

/// Rewrites of answers that stand in no pair, of chats and of tasks: of each person and answer the newest. Those of one
/// answer follow each other.
struct ExportSingleRewrite {
  std::string_view id, conversation_id, locale, prompt, generation_id, text, model, annotator_id, rewrite;
};
class SingleRewriteStream {
 public:
  SingleRewriteStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportSingleRewrite& row() const { return row_; }

 private:
  Cursor rows_;
  ExportSingleRewrite row_;
};

/// What the chats of files say in reply: demonstrations to imitate. Not what stands in the prompts of a task's items.
struct ExportDemonstration {
  std::string_view conversation_id, locale, prompt, text;
};
class DemonstrationStream {
 public:
  DemonstrationStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportDemonstration& row() const { return row_; }

 private:
  Cursor rows_;
  ExportDemonstration row_;
};

}  // namespace afina::storage
