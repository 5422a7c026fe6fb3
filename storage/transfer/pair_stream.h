// SPDX-License-Identifier: Apache-2.0
// Every pair with what people said about it, one at a time: three cursors in the order of the pairs' ids, merged here.
// A pair's texts leave the server once, however many people judged it. Memory is two batches a cursor and one pair.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/cursor.h"
#include "storage/transfer/export_filter.h"

namespace afina::storage {

struct Settled;

/// One judgement, in the database's own words. Lists are PackedText.
struct ExportVote {
  std::string id, exposure_id, annotator_id, outcome, reason, supersedes_id, source;
  std::optional<int64_t> grade, confidence, ms_to_decide;
  int64_t created_us = 0;       ///< microseconds since 1970
  std::string purposes;         ///< what the person allows now, blanks between
  std::string reason_language;  ///< may be empty
  std::string aspects;          ///< tag GENERATION/ASPECT/VALUE, no text
  std::string flags;            ///< tag GENERATION/KIND, text the note
  std::string spans;            ///< tag GENERATION/KIND/START/END, text the note
  bool blind = true, a_on_left = true;
  bool leak_a = false, leak_b = false;  ///< the answer seemed to name its maker
  bool superseded = false;
  std::string layout;  ///< as the answers stood; empty: unknown
  std::optional<int64_t> width_px, height_px;
};

struct ExportRewrite {
  std::string id, exposure_id, act_id, annotator_id, text;
};

/// Valid until next().
struct ExportPair {
  std::string_view id, conversation_id, locale, source;
  std::string_view a_id, a_model, a_adapter_id, a_text, b_id, b_model, b_adapter_id, b_text;
  std::string_view prompt;  ///< PackedText; tag s, u or a for the role
  int64_t turn = 0;
  /// For training; else 0 and false.
  int64_t ranked = 0;        ///< how many answers a file's ranking ordered at once, these two among them; 0: none did
  bool beyond_text = false;  ///< its conversation has pictures or tools, of which the prompt holds a word
};

class PairStream {
 public:
  /// Inside a REPEATABLE READ transaction, which must outlive it: then all three see one moment. settled: for training,
  /// and must outlive it too; null: for raw judgements, which ask less of each pair.
  PairStream(Transaction& t, const ExportFilter& filter, const Settled* settled);
  /// The next pair that has a judgement or a rewrite, or is settled. False at the end.
  bool next();
  const ExportPair& pair() const { return pair_; }
  /// Oldest first; superseded and retracted ones too, and those that a verdict took the place of.
  std::span<const ExportVote> votes() const { return {votes_.data(), vote_count_}; }
  /// Standing ones.
  const std::vector<ExportRewrite>& rewrites() const { return rewrites_; }

 private:
  void read_pair();
  void read_votes();
  void read_vote(ExportVote& vote) const;
  void read_rewrites();

  const Settled* settled_;
  Cursor pairs_, vote_rows_, rewrite_rows_;
  bool more_votes_, more_rewrites_;
  ExportPair pair_;
  std::string_view pair_key_;  // the id's bytes
  std::string pair_ids_[6];
  std::vector<ExportVote> votes_;  // its first vote_count_ are this pair's
  size_t vote_count_ = 0;
  std::vector<ExportRewrite> rewrites_;
};

}  // namespace afina::storage
