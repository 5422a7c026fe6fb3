// SPDX-License-Identifier: Apache-2.0
// TRL's forms from what people said: the same labels that snapshots make (labels.h), without their splits.
#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "datasets/labels.h"
#include "datasets/transfer/export_rows.h"
#include "storage/transfer/packed_text.h"
#include "storage/transfer/pair_stream.h"
#include "storage/transfer/row_streams.h"
#include "storage/transfer/settled.h"

namespace afina::datasets {
namespace {

using formats::MessageView;

/// Whether a reviewer chose another of the item's rewrites in the place of that one, and the other is there.
template <typename Rewrites>
bool gave_way(const storage::Settled& settled, const std::string& id, const Rewrites& there) {
  const auto chosen = settled.rewrites.find(id);
  return chosen != settled.rewrites.end() &&
         std::ranges::any_of(there, [&](const auto& other) { return other.id == chosen->second; });
}

/// A pair with the votes that count: standing, blind where asked for, the newest of each annotator; and a reviewer's
/// verdict in the place of those it settled.
class JudgedPairs {
 public:
  JudgedPairs(storage::Transaction& t, ExportState& state)
      : state_(state),
        settled_(storage::settled_items(t, state.request.filter)),
        pairs_(t, state.request.filter, &settled_) {}

  bool next() {
    do {
      if (!pairs_.next()) return false;
      if (pairs_.pair().beyond_text) ++state_.report.left_out["beyond_text"];
    } while (pairs_.pair().beyond_text);
    unpack_messages(pairs_.pair().prompt, prompt);
    votes.clear();
    const auto verdict = settled_.pairs.find(std::string(pair().id));
    const storage::SettledPair* settled = verdict == settled_.pairs.end() ? nullptr : &verdict->second;
    double replaced = 0;
    for (const storage::ExportVote& vote : pairs_.votes()) {
      if (settled != nullptr && settled->exposures.contains(std::string(vote.exposure_id)))
        replaced += note_settled(vote);
      else
        add(vote);
    }
    settled_id = settled == nullptr ? "" : settled->id;
    if (settled != nullptr)
      votes.push_back(counted(storage::to_string(settled->outcome), settled->grade, std::max(1.0, replaced),
                              settled->id, settled->annotator_id));
    judgement = judge_pair(votes);
    take_rewrites();
    return true;
  }

  const storage::Settled& settled() const { return settled_; }
  const storage::ExportPair& pair() const { return pairs_.pair(); }
  /// Those that count, until next(): where a reviewer chose one of an item's, only that one.
  const std::vector<const storage::ExportRewrite*>& rewrites() const { return rewrites_; }
  std::string_view chosen() const { return judgement.swapped ? pair().b_text : pair().a_text; }
  std::string_view rejected() const { return judgement.swapped ? pair().a_text : pair().b_text; }
  std::string_view chosen_model() const { return judgement.swapped ? pair().b_model : pair().a_model; }
  std::string_view rejected_model() const { return judgement.swapped ? pair().a_model : pair().b_model; }
  /// Of two answers with the same words none is better, whatever was said.
  bool same_answer() const { return pair().a_text == pair().b_text; }
  bool compared() const { return !judgement.preference_ids.empty() && !same_answer(); }
  bool all_bad() const { return !compared() && !judgement.both_bad_ids.empty(); }
  double weight() const { return ranked_pair_weight(pair().ranked); }

  std::vector<MessageView> prompt;
  std::vector<Vote> votes;
  std::string settled_id;  ///< of the verdict among the votes; empty without one
  PairJudgement judgement;

 private:
  void add(const storage::ExportVote& vote) {
    if (!may_count(vote)) return;
    Vote said = counted(vote.outcome, static_cast<int>(vote.grade.value_or(0)), 1.0, vote.id, vote.annotator_id);
    const auto same = [&](const Vote& v) { return v.annotator_id == vote.annotator_id; };
    if (const auto older = std::find_if(votes.begin(), votes.end(), same); older != votes.end()) {
      votes.erase(older);
      ++state_.report.left_out["older_vote_of_the_same_annotator"];
    }
    votes.push_back(std::move(said));
  }

  bool may_count(const storage::ExportVote& vote) {
    if (vote.superseded || vote.outcome == "retracted") return false;
    if (!state_.request.blind_only || vote.blind) return true;
    ++state_.report.left_out["not_blind"];
    return false;
  }

  static Vote counted(std::string_view outcome, int grade, double reliability, std::string_view id,
                      std::string_view annotator_id) {
    Vote vote{VoteOutcome::graded, grade, reliability, std::string(id), std::string(annotator_id)};
    if (outcome == "both_good") vote.outcome = VoteOutcome::both_good;
    if (outcome == "both_bad") vote.outcome = VoteOutcome::both_bad;
    if (outcome == "cannot_judge") vote.outcome = VoteOutcome::cannot_judge;
    return vote;
  }

  /// 1 for a vote that would have counted.
  double note_settled(const storage::ExportVote& vote) {
    if (!may_count(vote)) return 0;
    ++state_.report.left_out["settled_by_a_reviewer"];
    return 1;
  }

  void take_rewrites() {
    rewrites_.clear();
    for (const storage::ExportRewrite& rewrite : pairs_.rewrites()) {
      if (gave_way(settled_, rewrite.id, pairs_.rewrites()))
        ++state_.report.left_out["settled_by_a_reviewer"];
      else
        rewrites_.push_back(&rewrite);
    }
  }

  ExportState& state_;
  const storage::Settled settled_;
  storage::PairStream pairs_;
  std::vector<const storage::ExportRewrite*> rewrites_;
};

MessageView answer(std::string_view text) {
  return {"assistant", text};
}

/// A rewrite of an answer that stands in no pair.
struct SingleRewrite {
  std::string id, annotator_id, locale, text, model, rewrite;
  std::vector<MessageView> prompt;  ///< into packed
  std::string packed;
};

/// Calls back for those that count: of an item's of which a reviewer chose one, only that, if it is there.
template <typename Callback>
void each_single_rewrite(storage::Transaction& t, ExportState& state, const storage::Settled& settled,
                         Callback callback) {
  storage::SingleRewriteStream stream(t, state.request.filter);
  std::vector<SingleRewrite> of_answer;
  std::string answer_id;
  const auto flush = [&] {
    for (SingleRewrite& one : of_answer) {
      if (gave_way(settled, one.id, of_answer)) {
        ++state.report.left_out["settled_by_a_reviewer"];
        continue;
      }
      unpack_messages(one.packed, one.prompt);
      callback(std::as_const(one));
    }
    of_answer.clear();
  };
  while (stream.next()) {
    const storage::ExportSingleRewrite& row = stream.row();
    if (row.generation_id != answer_id) flush();
    answer_id = row.generation_id;
    of_answer.push_back({std::string(row.id),
                         std::string(row.annotator_id),
                         std::string(row.locale),
                         std::string(row.text),
                         std::string(row.model),
                         std::string(row.rewrite),
                         {},
                         std::string(row.prompt)});
  }
  flush();
}

class DpoRows {
 public:
  DpoRows(storage::Transaction& t, ExportState& state) : state_(state), pairs_(t, state) {}

  void run() {
    while (pairs_.next()) {
      if (pairs_.compared())
        write_pair();
      else if (!pairs_.votes.empty())
        ++state_.report.left_out[why_none()];
      for (const storage::ExportRewrite* rewrite : pairs_.rewrites())
        write_rewrite(*rewrite);
    }
  }

  const storage::Settled& settled() const { return pairs_.settled(); }
  /// A rewrite of one answer, which it beats.
  void write_single(const SingleRewrite& one) {
    about({one.prompt, one.locale, ""});
    beat(one.rewrite, one.id, one.annotator_id, one.text, one.model);
  }

 private:
  /// What the rows to come are about.
  struct Matter {
    std::span<const MessageView> prompt;
    std::string_view locale, pair_id;
  };
  void about(Matter matter) { matter_ = matter; }

  const char* why_none() const {
    if (pairs_.all_bad()) return "both_bad";
    return pairs_.judgement.preference_ids.empty() ? "cannot_judge" : "same_answer";
  }

  void write_pair() {
    grades_.assign(1, '[');
    names_.clear();
    ids_.clear();
    for (const Vote& vote : pairs_.votes) {
      if (!vote_probability(vote)) continue;
      const int grade = vote.outcome == VoteOutcome::graded ? vote.grade : 0;
      grades_ += cat(grades_.size() > 1 ? "," : "", pairs_.judgement.swapped ? -grade : grade);
      names_.push_back(state_.pseudonyms.of(vote.annotator_id));
      if (vote.preference_id != pairs_.settled_id) ids_.push_back(vote.preference_id);
    }
    grades_ += "]";
    about({pairs_.prompt, pairs_.pair().locale, pairs_.pair().id});
    write(pairs_.chosen(), pairs_.rejected(), pairs_.judgement, pairs_.chosen_model(), pairs_.rejected_model(),
          pairs_.weight());
  }

  void write_rewrite(const storage::ExportRewrite& rewrite) {
    const storage::ExportPair& pair = pairs_.pair();
    about({pairs_.prompt, pair.locale, pair.id});
    beat(rewrite.text, rewrite.id, rewrite.annotator_id, pair.a_text, pair.a_model);
    beat(rewrite.text, rewrite.id, rewrite.annotator_id, pair.b_text, pair.b_model);
  }

  void beat(std::string_view rewrite, const std::string& id, const std::string& annotator_id, std::string_view beaten,
            std::string_view model) {
    if (rewrite == beaten) {
      ++state_.report.left_out["same_answer"];
      return;
    }
    const std::vector<Vote> vote{{VoteOutcome::graded, kRewriteGrade, 1.0, id, annotator_id}};
    grades_ = cat("[", kRewriteGrade, "]");
    names_ = {state_.pseudonyms.of(annotator_id)};
    ids_.clear();
    write(rewrite, beaten, judge_pair(vote), "", model, 1.0);
  }

  void write(std::string_view chosen, std::string_view rejected, const PairJudgement& judgement,
             std::string_view chosen_model, std::string_view rejected_model, double weight) {
    formats::RowWriter& out = state_.out;
    const MessageView good = answer(chosen), bad = answer(rejected);
    out.messages(matter_.prompt);
    out.messages({&good, 1});
    out.messages({&bad, 1});
    out.real(judgement.soft_label);
    out.real(judgement.tie);
    const double scale = state_.request.margin_scale;
    if (scale > 0.0) out.real(scale * (2.0 * judgement.soft_label - 1.0));
    out.real(weight);
    out.json(grades_);
    const std::vector<std::string_view> names(names_.begin(), names_.end()), ids(ids_.begin(), ids_.end());
    out.texts(names);
    out.text(matter_.locale);
    state_.text_or_null(matter_.pair_id);
    state_.text_or_null(chosen_model);
    state_.text_or_null(rejected_model);
    out.texts(ids);
    state_.end_row();
  }

  ExportState& state_;
  JudgedPairs pairs_;
  Matter matter_;
  std::string grades_;
  std::vector<std::string> names_, ids_;
};

void write_sft(ExportState& state, const std::vector<MessageView>& prompt, std::string_view text,
               std::string_view locale, const char* origin, std::string_view pair_id) {
  const MessageView reply = answer(text);
  state.out.messages(prompt);
  state.out.messages({&reply, 1});
  state.out.text(locale);
  state.out.text(origin);
  state.text_or_null(pair_id);
  state.end_row();
}

// Of a ranking the best, where one is. A file's ranking of two is a pair, which said it already.
void write_best(ExportState& state, const storage::ExportRanking& ranking, std::vector<MessageView>& prompt) {
  storage::PackedText answers(ranking.answers);
  if (!answers.next()) return;
  const std::string_view rank = answers.tag(), best = answers.text();
  if (answers.next()) {
    if (answers.tag() == rank) {
      ++state.report.left_out["tied_for_first"];
      return;
    }
    if (ranking.of_file && !answers.next()) return;
  }
  unpack_messages(ranking.prompt, prompt);
  write_sft(state, prompt, best, ranking.locale, "ranked_first", "");
}

void write_kto(ExportState& state, const std::vector<MessageView>& prompt, std::string_view text, double good,
               double weight, std::string_view locale, std::string_view model, std::string_view pair_id) {
  if (good == 0.5) {
    ++state.report.left_out["neither_good_nor_bad"];
    return;
  }
  const MessageView reply = answer(text);
  state.out.messages(prompt);
  state.out.messages({&reply, 1});
  state.out.truth(good > 0.5);
  state.out.real(good);
  state.out.real(weight);
  state.out.text(locale);
  state.text_or_null(model);
  state.text_or_null(pair_id);
  state.end_row();
}

}  // namespace

void export_dpo(storage::Transaction& t, ExportState& state) {
  DpoRows rows(t, state);
  rows.run();
  each_single_rewrite(t, state, rows.settled(), [&](const SingleRewrite& one) { rows.write_single(one); });
}

void export_sft(storage::Transaction& t, ExportState& state) {
  {
    JudgedPairs pairs(t, state);
    while (pairs.next()) {
      const PairJudgement& j = pairs.judgement;
      const bool liked = pairs.compared() && j.soft_label > 0.5 && j.both_bad_ids.size() <= j.preference_ids.size();
      // Of a ranking only the best is to be imitated, not whatever beats the worst.
      if (liked && pairs.pair().ranked > 2)
        ++state.report.left_out["one_of_several_pairs"];
      else if (liked)
        write_sft(state, pairs.prompt, pairs.chosen(), pairs.pair().locale, "chosen", pairs.pair().id);
      for (const storage::ExportRewrite* rewrite : pairs.rewrites())
        write_sft(state, pairs.prompt, rewrite->text, pairs.pair().locale, "rewrite", pairs.pair().id);
    }
    each_single_rewrite(t, state, pairs.settled(), [&](const SingleRewrite& one) {
      write_sft(state, one.prompt, one.rewrite, one.locale, "rewrite", "");
    });
  }
  std::vector<MessageView> prompt;
  each_ranking(t, state, [&](const storage::ExportRanking& ranking) { write_best(state, ranking, prompt); });
  storage::DemonstrationStream demonstrations(t, state.request.filter);
  while (demonstrations.next()) {
    unpack_messages(demonstrations.row().prompt, prompt);
    write_sft(state, prompt, demonstrations.row().text, demonstrations.row().locale, "demonstration", "");
  }
}

void export_kto(storage::Transaction& t, ExportState& state) {
  {
    JudgedPairs pairs(t, state);
    while (pairs.next()) {
      const storage::ExportPair& pair = pairs.pair();
      const double q = pairs.judgement.soft_label;
      if (pairs.compared()) {
        write_kto(state, pairs.prompt, pairs.chosen(), q, pairs.weight(), pair.locale, pairs.chosen_model(), pair.id);
        write_kto(state, pairs.prompt, pairs.rejected(), 1.0 - q, pairs.weight(), pair.locale, pairs.rejected_model(),
                  pair.id);
      } else if (pairs.all_bad()) {
        write_kto(state, pairs.prompt, pair.a_text, 0.0, 1.0, pair.locale, pair.a_model, pair.id);
        write_kto(state, pairs.prompt, pair.b_text, 0.0, 1.0, pair.locale, pair.b_model, pair.id);
      } else if (!pairs.judgement.preference_ids.empty()) {
        ++state.report.left_out["same_answer"];
      }
    }
  }
  std::vector<MessageView> prompt;
  storage::ScoreStream scores(t, state.request.filter);
  while (scores.next()) {
    const storage::ExportScore& row = scores.row();
    if (row.marks == 0) {
      ++state.report.left_out["no_overall_mark"];
      continue;
    }
    unpack_messages(row.prompt, prompt);
    write_kto(state, prompt, row.text, row.value, 1.0, row.locale, row.model, "");
  }
}

}  // namespace afina::datasets
