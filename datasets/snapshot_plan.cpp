// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "datasets/labels.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;
using storage::MemberKind;
using storage::SnapshotMember;

VoteOutcome outcome_of(storage::Outcome outcome) {
  switch (outcome) {
    case storage::Outcome::graded:
      return VoteOutcome::graded;
    case storage::Outcome::both_good:
      return VoteOutcome::both_good;
    case storage::Outcome::both_bad:
      return VoteOutcome::both_bad;
    case storage::Outcome::cannot_judge:
    case storage::Outcome::retracted:
      break;
  }
  return VoteOutcome::cannot_judge;
}

Vote vote_of(const storage::Preference& preference, double reliability) {
  return {outcome_of(preference.outcome), preference.grade, reliability, preference.id, preference.annotator_id};
}

Vote vote_of(const storage::Adjudicated& verdict) {
  const double replaced = std::max<double>(1, static_cast<double>(verdict.replaced.size()));
  return {outcome_of(verdict.outcome), verdict.grade, replaced, verdict.id, verdict.annotator_id};
}

// Acts behind a member, each where it belongs.
void set_acts(SnapshotMember& member, const EligiblePair& pair, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    if (pair.adjudicated && id == pair.adjudicated->id) {
      member.adjudication_ids.push_back(id);
    } else {
      (pair.ranked_item ? member.submission_ids : member.preference_ids).push_back(id);
    }
  }
}

void join(std::vector<std::string>& into, const std::vector<std::string>& more) {
  into.insert(into.end(), more.begin(), more.end());
  std::sort(into.begin(), into.end());
  into.erase(std::unique(into.begin(), into.end()), into.end());
}

// Over what is trained on: messages of the prompt, then the chosen and the rejected text.
std::string content_sha256(const EligiblePair& pair, const SnapshotMember& member) {
  const auto text_of = [&](const std::string& id) -> std::string {
    if (id.empty()) return "";
    if (id == pair.a.id) return pair.a.text;
    if (id == pair.b.id) return pair.b.text;
    for (const storage::Rewrite& rewrite : pair.rewrites) {
      if (rewrite.id == id) return rewrite.text;
    }
    throw InternalError(cat("[datasets.snapshot] must know every text of a member, but not ", id, "."));
  };
  Json content = Json::array();
  for (const storage::Message& message : pair.prompt)
    content.push_back({message.role, message.content});
  const bool rewritten = !member.chosen_rewrite_id.empty();
  content.push_back(text_of(rewritten ? member.chosen_rewrite_id : member.chosen_generation_id));
  content.push_back(text_of(member.rejected_generation_id));
  return sha256_hex(dump_json(content));
}

class Planner {
 public:
  Planner(const SnapshotSpec& spec, std::vector<storage::AnnotatorReliability> reliability)
      : split_(spec.split), reliability_(std::move(reliability)) {
    for (const auto& one : reliability_)
      weight_[one.annotator_id] = one.weight;
  }

  /// prompt: what the split goes by.
  void add(const EligiblePair& pair, const std::string& prompt) {
    ++(pair.b.id.empty() ? single_answers_ : pair.ranked_item ? ranked_pairs_ : pairs_);
    prompt_ = prompt;
    prompt_sha256_ = prompt_hash(split_prompt(pair.prompt));
    const size_t first = list_.size();
    for (auto& [split, votes] : votes_by_split(pair))
      add_votes(pair, split, votes);
    for (const storage::Rewrite& rewrite : pair.rewrites)
      add_rewrite(pair, rewrite);
    for (size_t i = first; i < list_.size(); ++i)
      list_[i].content_sha256 = content_sha256(pair, list_[i]);
  }

  SnapshotPlan finish() {
    for (const auto& [key, best] : ranked_)
      add_best(key.second, best);
    SnapshotPlan plan;
    plan.counts = {{"pairs", pairs_},
                   {"votes", votes_},
                   {"rewrites", rewrites_},
                   {"single_answers", single_answers_},
                   {"left_out", Json::object()},
                   {"members", members_}};
    plan.counts["left_out"] = {{"older_vote_of_the_same_annotator", older_votes_},
                               {"cannot_judge", cannot_judge_},
                               {"same_answer", same_answers_}};
    plan.counts["both_good"] = both_good_;
    plan.counts["both_bad"] = both_bad_;
    plan.counts["exact_ties"] = ties_;
    plan.counts["rankings"] = {
        {"items", ranked_items_.size()}, {"submissions", rankings_.size()}, {"pairs", ranked_pairs_}};
    plan.counts["adjudications"] = {{"verdicts", verdicts_.size()},
                                    {"votes_replaced", replaced_.size()},
                                    {"rewrites_replaced", rewrites_replaced_}};
    plan.members = std::move(list_);
    plan.reliability = std::move(reliability_);
    return plan;
  }

 private:
  // An answer that beat others of its ranking. The pair is one of those it won, and outlives the planner.
  struct Winner {
    int beaten = 0;
    const EligiblePair* pair = nullptr;
    std::vector<std::string> acts;
  };
  struct RankedAnswers {
    std::map<std::string, Winner> by_answer;
  };

  std::map<Split, std::vector<Vote>> votes_by_split(const EligiblePair& pair) {
    std::map<std::string, const storage::Preference*> newest;
    for (const auto& preference : pair.votes) {
      if (preference.outcome == storage::Outcome::retracted) continue;
      const auto [place, first] = newest.insert_or_assign(preference.annotator_id, &preference);
      if (!first) ++older_votes_;
    }
    std::map<Split, std::vector<Vote>> groups;
    // In the order they were cast, so that the plan does not depend on annotators' ids.
    for (const auto& preference : pair.votes) {
      const auto found = newest.find(preference.annotator_id);
      if (found == newest.end() || found->second != &preference) continue;
      pair.ranked_item ? void(rankings_.insert(preference.id)) : count(preference);
      groups[split_of(prompt_, preference.annotator_id, split_)].push_back(
          vote_of(preference, weight_of(preference.annotator_id)));
    }
    if (pair.adjudicated) {
      verdicts_.insert(pair.adjudicated->id);
      for (const auto& replaced : pair.adjudicated->replaced)
        replaced_.insert(replaced.id);
      groups[split_of(prompt_, pair.adjudicated->annotator_id, split_)].push_back(vote_of(*pair.adjudicated));
    }
    if (pair.ranked_item) ranked_items_.insert(pair.ranking);
    return groups;
  }

  double weight_of(const std::string& annotator_id) const {
    const auto found = weight_.find(annotator_id);
    return found == weight_.end() ? 1.0 : found->second;
  }

  void count(const storage::Preference& preference) {
    ++votes_;
    both_good_ += preference.outcome == storage::Outcome::both_good ? 1 : 0;
    both_bad_ += preference.outcome == storage::Outcome::both_bad ? 1 : 0;
    cannot_judge_ += preference.outcome == storage::Outcome::cannot_judge ? 1 : 0;
  }

  void add_votes(const EligiblePair& pair, Split split, const std::vector<Vote>& votes) {
    const PairJudgement judgement = judge_pair(votes);
    const bool same_answer = pair.a.text == pair.b.text;  // then none is better, whatever was said
    if (!judgement.preference_ids.empty() && !same_answer) {
      add_pair(pair, split, judgement);
    } else if (!judgement.both_bad_ids.empty()) {
      for (const std::string& bad : {pair.a.id, pair.b.id}) {
        if (negatives_.insert({split, bad}).second)
          push(pair, MemberKind::negative, split, judgement.both_bad_ids).rejected_generation_id = bad;
      }
    } else if (!judgement.preference_ids.empty()) {
      ++same_answers_;
    }
  }

  void add_pair(const EligiblePair& pair, Split split, const PairJudgement& judgement) {
    const std::string& chosen = judgement.swapped ? pair.b.id : pair.a.id;
    auto& member = push(pair, MemberKind::pair, split, judgement.preference_ids);
    member.chosen_generation_id = chosen;
    member.rejected_generation_id = judgement.swapped ? pair.a.id : pair.b.id;
    member.soft_label = judgement.soft_label;
    member.tie = judgement.tie;
    member.weight = ranked_pair_weight(pair.ranked);
    ties_ += judgement.soft_label == 0.5 ? 1 : 0;
    if (judgement.soft_label <= 0.5 || judgement.both_bad_ids.size() > judgement.preference_ids.size()) return;
    if (pair.ranked > 2) {
      Winner& winner = ranked_[{pair.ranking, split}].by_answer[chosen];
      ++winner.beaten;
      winner.pair = &pair;
      join(winner.acts, judgement.preference_ids);
    } else if (answers_.insert({split, chosen}).second) {
      push(pair, MemberKind::answer, split, judgement.preference_ids).chosen_generation_id = chosen;
    }
  }

  // Whoever beats the worst of a ranking is no answer to imitate: only whoever beats all.
  void add_best(Split split, const RankedAnswers& ranked) {
    for (const auto& [answer, winner] : ranked.by_answer) {
      if (winner.beaten != winner.pair->ranked - 1 || !answers_.insert({split, answer}).second) continue;
      prompt_sha256_ = prompt_hash(split_prompt(winner.pair->prompt));
      auto& member = push(*winner.pair, MemberKind::answer, split, winner.acts);
      member.chosen_generation_id = answer;
      member.content_sha256 = content_sha256(*winner.pair, member);
    }
  }

  void add_rewrite(const EligiblePair& pair, const storage::Rewrite& rewrite) {
    ++rewrites_;
    const Split split = split_of(prompt_, rewrite.annotator_id, split_);
    std::vector<std::string> verdict;
    if (const auto chosen = pair.chosen_rewrites.find(rewrite.id); chosen != pair.chosen_rewrites.end()) {
      verdict.push_back(chosen->second.adjudication_id);
      verdicts_.insert(verdict.front());
      rewrites_replaced_ += chosen->second.replaced;
    }
    const auto member_of = [&](MemberKind kind) -> SnapshotMember& {
      SnapshotMember& member = push(pair, kind, split, {});
      member.chosen_rewrite_id = rewrite.id;
      member.adjudication_ids = verdict;
      return member;
    };
    member_of(MemberKind::answer);
    const std::vector<Vote> vote{{VoteOutcome::graded, kRewriteGrade, 1.0, rewrite.id, rewrite.annotator_id}};
    for (const storage::Generation* beaten : {&pair.a, &pair.b}) {
      if (beaten->id.empty()) continue;  // the rewrite of one answer
      if (beaten->text == rewrite.text) {
        ++same_answers_;
        continue;
      }
      auto& member = member_of(MemberKind::pair);
      member.rejected_generation_id = beaten->id;
      member.soft_label = judge_pair(vote).soft_label;
    }
  }

  SnapshotMember& push(const EligiblePair& pair, MemberKind kind, Split split, const std::vector<std::string>& acts) {
    SnapshotMember member;
    member.position = static_cast<int64_t>(list_.size());
    member.kind = kind;
    member.split = to_string(split);
    member.pair_id = pair.pair.id;
    member.prompt_sha256 = prompt_sha256_;
    set_acts(member, pair, acts);
    ++members_[member.split][std::string(storage::to_string(kind))];
    list_.push_back(std::move(member));
    return list_.back();
  }

  SplitOptions split_;
  std::vector<storage::AnnotatorReliability> reliability_;
  std::map<std::string, double> weight_;
  std::string prompt_, prompt_sha256_;  // of the pair at hand
  std::vector<SnapshotMember> list_;
  std::set<std::pair<Split, std::string>> answers_, negatives_;
  std::map<std::pair<std::string, Split>, RankedAnswers> ranked_;  // by ranking
  std::set<std::string> ranked_items_, rankings_, verdicts_, replaced_;
  std::map<std::string, std::map<std::string, int64_t>> members_;  // by split and kind
  int64_t pairs_ = 0, votes_ = 0, rewrites_ = 0, older_votes_ = 0, cannot_judge_ = 0, both_good_ = 0, both_bad_ = 0,
          ties_ = 0, single_answers_ = 0, ranked_pairs_ = 0, rewrites_replaced_ = 0, same_answers_ = 0;
};

// What one organisation's people said must not train another's model by an oversight.
void require_one_workspace(const std::vector<storage::EligiblePair>& pairs) {
  std::set<std::string> workspaces;
  for (const storage::EligiblePair& pair : pairs)
    workspaces.insert(pair.workspace_id);
  if (workspaces.size() <= 1) return;
  throw DataError(
      cat("[datasets.snapshot] must be of one workspace, but judgements of ", workspaces.size(), " may be used."),
      "--workspace NAME takes those of one, --all-workspaces all; `afina accounts workspaces` lists them");
}

}  // namespace

Json to_json(const SnapshotSpec& spec) {
  Json sources = Json::array();
  for (const storage::Source source : spec.filter.sources)
    sources.push_back(storage::to_string(source));
  Json json{{"sources", sources},
            {"locales", spec.filter.locales},
            {"blind_only", spec.filter.blind_only},
            {"seed", spec.split.seed},
            {"eval_prompts", spec.split.eval_prompts},
            {"eval_annotators", spec.split.eval_annotators},
            {"gates", to_json(spec.gates)}};
  // Only where asked for, so that older snapshots keep their words.
  if (!spec.filter.workspace_id.empty()) json["workspace"] = spec.filter.workspace_id;
  if (spec.mix_workspaces) json["mix_workspaces"] = true;
  if (spec.reliability != ReliabilityModel::none) json["reliability"] = to_string(spec.reliability);
  if (spec.filter.before) json["before"] = iso8601_utc(*spec.filter.before);
  return json;
}

std::string split_prompt(std::span<const storage::Message> prompt) {
  std::string all;
  for (const storage::Message& message : prompt) {
    if (message.role == "user") return message.content;
    all += message.content + "\n";
  }
  return all;
}

SnapshotPlan plan_snapshot(std::vector<storage::EligiblePair> pairs, const SnapshotSpec& spec,
                           const Networks& networks) {
  if (!spec.mix_workspaces) require_one_workspace(pairs);
  const GatedPairs gated = gate_pairs(std::move(pairs), spec.gates, spec.split.seed, networks);
  const bool estimated = spec.reliability == ReliabilityModel::dawid_skene;
  Planner planner(spec,
                  estimated ? vote_reliability(gated.pairs, spec.split) : std::vector<storage::AnnotatorReliability>());
  for (size_t i = 0; i < gated.pairs.size(); ++i)
    planner.add(gated.pairs[i], gated.prompts[i]);
  SnapshotPlan plan = planner.finish();
  plan.counts.update(gated.counts);
  return plan;
}

}  // namespace afina::datasets
