// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot_plan.h"

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

Vote vote_of(const storage::Preference& preference, double reliability) {
  VoteOutcome outcome = VoteOutcome::graded;
  switch (preference.outcome) {
    case storage::Outcome::graded:
      break;
    case storage::Outcome::both_good:
      outcome = VoteOutcome::both_good;
      break;
    case storage::Outcome::both_bad:
      outcome = VoteOutcome::both_bad;
      break;
    case storage::Outcome::cannot_judge:
    case storage::Outcome::retracted:
      outcome = VoteOutcome::cannot_judge;
      break;
  }
  return {outcome, preference.grade, reliability, preference.id, preference.annotator_id};
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

  void add(const EligiblePair& pair) {
    ++pairs_;
    prompt_ = split_prompt(pair.prompt);
    prompt_sha256_ = prompt_hash(prompt_);
    const size_t first = list_.size();
    for (auto& [split, votes] : votes_by_split(pair))
      add_votes(pair, split, votes);
    for (const storage::Rewrite& rewrite : pair.rewrites)
      add_rewrite(pair, rewrite);
    for (size_t i = first; i < list_.size(); ++i)
      list_[i].content_sha256 = content_sha256(pair, list_[i]);
  }

  SnapshotPlan finish() {
    SnapshotPlan plan;
    plan.counts = {{"pairs", pairs_},
                   {"votes", votes_},
                   {"rewrites", rewrites_},
                   {"left_out", Json::object()},
                   {"members", members_}};
    plan.counts["left_out"] = {{"older_vote_of_the_same_annotator", older_votes_}, {"cannot_judge", cannot_judge_}};
    plan.counts["both_good"] = both_good_;
    plan.counts["both_bad"] = both_bad_;
    plan.counts["exact_ties"] = ties_;
    plan.members = std::move(list_);
    plan.reliability = std::move(reliability_);
    return plan;
  }

 private:
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
      count(preference);
      groups[split_of(prompt_, preference.annotator_id, split_)].push_back(
          vote_of(preference, weight_of(preference.annotator_id)));
    }
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
    if (!judgement.preference_ids.empty()) {
      const std::string& chosen = judgement.swapped ? pair.b.id : pair.a.id;
      const std::string& rejected = judgement.swapped ? pair.a.id : pair.b.id;
      auto& member = push(pair, MemberKind::pair, split, judgement.preference_ids);
      member.chosen_generation_id = chosen;
      member.rejected_generation_id = rejected;
      member.soft_label = judgement.soft_label;
      member.tie = judgement.tie;
      ties_ += judgement.soft_label == 0.5 ? 1 : 0;
      const bool liked = judgement.soft_label > 0.5 && judgement.both_bad_ids.size() <= judgement.preference_ids.size();
      if (liked && answers_.insert({split, chosen}).second) {
        push(pair, MemberKind::answer, split, judgement.preference_ids).chosen_generation_id = chosen;
      }
    } else if (!judgement.both_bad_ids.empty()) {
      for (const std::string& bad : {pair.a.id, pair.b.id}) {
        if (negatives_.insert({split, bad}).second) {
          push(pair, MemberKind::negative, split, judgement.both_bad_ids).rejected_generation_id = bad;
        }
      }
    }
  }

  void add_rewrite(const EligiblePair& pair, const storage::Rewrite& rewrite) {
    ++rewrites_;
    const Split split = split_of(prompt_, rewrite.annotator_id, split_);
    push(pair, MemberKind::answer, split, {}).chosen_rewrite_id = rewrite.id;
    const std::vector<Vote> vote{{VoteOutcome::graded, kRewriteGrade, 1.0, rewrite.id, rewrite.annotator_id}};
    for (const std::string& beaten : {pair.a.id, pair.b.id}) {
      auto& member = push(pair, MemberKind::pair, split, {});
      member.chosen_rewrite_id = rewrite.id;
      member.rejected_generation_id = beaten;
      member.soft_label = judge_pair(vote).soft_label;
    }
  }

  SnapshotMember& push(const EligiblePair& pair, MemberKind kind, Split split,
                       std::vector<std::string> preference_ids) {
    SnapshotMember member;
    member.position = static_cast<int64_t>(list_.size());
    member.kind = kind;
    member.split = to_string(split);
    member.pair_id = pair.pair.id;
    member.prompt_sha256 = prompt_sha256_;
    member.preference_ids = std::move(preference_ids);
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
  std::map<std::string, std::map<std::string, int64_t>> members_;  // by split and kind
  int64_t pairs_ = 0, votes_ = 0, rewrites_ = 0, older_votes_ = 0, cannot_judge_ = 0, both_good_ = 0, both_bad_ = 0,
          ties_ = 0;
};

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
            {"eval_annotators", spec.split.eval_annotators}};
  // Only where asked for, so that older snapshots keep their words.
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

SnapshotPlan plan_snapshot(std::span<const storage::EligiblePair> pairs, const SnapshotSpec& spec) {
  const bool estimated = spec.reliability == ReliabilityModel::dawid_skene;
  Planner planner(spec, estimated ? vote_reliability(pairs) : std::vector<storage::AnnotatorReliability>());
  for (const EligiblePair& pair : pairs)
    planner.add(pair);
  return planner.finish();
}

}  // namespace afina::datasets
