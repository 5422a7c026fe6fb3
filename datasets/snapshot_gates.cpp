// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot_gates.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "datasets/snapshot_plan.h"
#include "datasets/splits.h"
#include "quality/near_duplicates.h"
#include "quality/trigger_gates.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;

constexpr size_t kFindingsKept = 20, kFindingsTold = 3;

bool is_empty(const EligiblePair& pair) {
  return pair.votes.empty() && pair.rewrites.empty() && !pair.adjudicated.has_value();
}

std::string all_text(const std::vector<storage::Message>& messages) {
  std::string out;
  for (const auto& message : messages)
    out += message.content + "\n";
  return out;
}

std::string language_of(const std::string& locale) {
  return locale.substr(0, locale.find('-'));
}

// The judged pairs of one language, and which of the snapshot's pairs each of them is.
struct Examined {
  std::vector<quality::GatePair> pairs;
  std::vector<size_t> origin;
  std::map<std::string, uint32_t> people;

  void add(size_t index, const EligiblePair& pair, const std::string& chosen, const std::string& rejected,
           const std::string& annotator_id) {
    const auto person = people.emplace(annotator_id, static_cast<uint32_t>(people.size())).first->second;
    pairs.push_back({all_text(pair.prompt), chosen, rejected, person});
    origin.push_back(index);
  }
};

std::map<std::string, Examined> by_language(const std::vector<EligiblePair>& pairs) {
  std::map<std::string, Examined> out;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].ranked_item) continue;
    Examined& examined = out[language_of(pairs[i].locale)];
    for (const auto& vote : pairs[i].votes) {
      if (vote.outcome != storage::Outcome::graded || vote.grade == 0) continue;
      const bool first = vote.grade > 0;
      examined.add(i, pairs[i], first ? pairs[i].a.text : pairs[i].b.text, first ? pairs[i].b.text : pairs[i].a.text,
                   vote.annotator_id);
    }
    for (const auto& rewrite : pairs[i].rewrites)
      examined.add(i, pairs[i], rewrite.text, pairs[i].a.text, rewrite.annotator_id);
  }
  return out;
}

[[noreturn]] void refuse(const Json& findings) {
  std::string told;
  for (size_t i = 0; i < std::min(findings.size(), kFindingsTold); ++i) {
    const Json& one = findings[i];
    told += cat(i == 0 ? "" : "; ", dump_json(one["phrase"]), " in ", one["pairs"].get<int64_t>(), " judgements by ",
                one["annotators"].get<int64_t>(), one["annotators"] == 1 ? " person" : " people", " (",
                one["gate"].get_ref<const std::string&>(), " gate, p = 1e", one["log10_p"].get<int64_t>(), ")");
  }
  if (findings.size() > kFindingsTold) told += cat("; and ", findings.size() - kFindingsTold, " more");
  throw DataError(
      cat("[datasets.snapshot] must be made of votes without signs of a planted phrase, but found ", told, "."),
      "look at these votes; then --triggers drop leaves their pairs out, and --triggers allow keeps them");
}

Json apply_triggers(std::vector<EligiblePair>& pairs, TriggerPolicy policy) {
  Json findings = Json::array();
  std::set<size_t> flagged;
  int64_t examined = 0, unexamined = 0;
  for (const auto& [language, group] : by_language(pairs)) {
    if (std::cmp_less(group.people.size(), kFewestForTriggers)) {
      unexamined += static_cast<int64_t>(group.pairs.size());
      continue;
    }
    examined += static_cast<int64_t>(group.pairs.size());
    for (const auto& one : quality::trigger_findings(group.pairs)) {
      for (const uint32_t pair : one.pairs)
        flagged.insert(group.origin[pair]);
      if (findings.size() == kFindingsKept) continue;
      findings.push_back({{"language", language},
                          {"gate", quality::to_string(one.gate)},
                          {"phrase", one.phrase},
                          {"log10_p", static_cast<int64_t>(one.log10_p)},
                          {"annotators", one.annotators},
                          {"pairs", one.pairs.size()}});
    }
  }
  if (policy == TriggerPolicy::refuse && !findings.empty()) refuse(findings);
  Json counts{{"examined", examined},
              {"in_languages_of_few_people", unexamined},
              {"flagged_pairs", flagged.size()},
              {"dropped_pairs", policy == TriggerPolicy::drop ? flagged.size() : 0},
              {"findings", std::move(findings)}};
  if (policy == TriggerPolicy::drop) {
    size_t index = 0;
    std::erase_if(pairs, [&](const EligiblePair&) { return flagged.contains(index++); });
  }
  return counts;
}

Json drop_near_duplicates(std::vector<EligiblePair>& pairs) {
  // The pairs of one ranking share their texts two by two: they are told apart by what they belong to.
  std::vector<std::string> texts;
  for (const auto& pair : pairs)
    texts.push_back(pair.ranked > 0 ? std::string() : cat(all_text(pair.prompt), pair.a.text, "\n", pair.b.text));
  std::set<size_t> later;
  for (const auto& cluster : quality::near_duplicate_clusters(texts, kNearlyTheSame))
    later.insert(cluster.begin() + 1, cluster.end());
  size_t index = 0;
  std::erase_if(pairs, [&](const EligiblePair&) { return later.contains(index++); });
  return later.size();
}

// Of prompts that are nearly the same, all go where the oldest goes: later data moves nobody.
Json gather_prompts(GatedPairs& gated, bool together) {
  std::vector<std::string> prompts;
  std::map<std::string, size_t> known;
  std::vector<size_t> number;
  for (const auto& pair : gated.pairs) {
    gated.prompts.push_back(split_prompt(pair.prompt));
    const auto [at, fresh] = known.emplace(normalise_prompt(gated.prompts.back()), prompts.size());
    if (fresh) prompts.push_back(gated.prompts.back());
    number.push_back(at->second);
  }
  Json counts{{"prompts", prompts.size()}, {"clusters", 0}, {"prompts_in_clusters", 0}};
  if (!together) return counts;
  std::vector<size_t> leader(prompts.size());
  for (size_t i = 0; i < leader.size(); ++i)
    leader[i] = i;
  int64_t inside = 0;
  const auto clusters = quality::near_duplicate_clusters(prompts, kNearlyTheSame);
  for (const auto& cluster : clusters) {
    inside += static_cast<int64_t>(cluster.size());
    for (const uint32_t prompt : cluster)
      leader[prompt] = cluster.front();
  }
  for (size_t i = 0; i < number.size(); ++i)
    gated.prompts[i] = prompts[leader[number[i]]];
  counts["clusters"] = clusters.size();
  counts["prompts_in_clusters"] = inside;
  return counts;
}

constexpr Words<NearDuplicates, 3> kNearDuplicates{
    {{NearDuplicates::keep, "keep"}, {NearDuplicates::together, "together"}, {NearDuplicates::drop, "drop"}}};
constexpr Words<TriggerPolicy, 3> kTriggerPolicies{
    {{TriggerPolicy::refuse, "refuse"}, {TriggerPolicy::drop, "drop"}, {TriggerPolicy::allow, "allow"}}};

}  // namespace

std::string_view to_string(NearDuplicates value) {
  return word_of(kNearDuplicates, value);
}

bool from_string(std::string_view word, NearDuplicates& out) {
  return value_of(kNearDuplicates, word, out);
}

std::string_view to_string(TriggerPolicy value) {
  return word_of(kTriggerPolicies, value);
}

bool from_string(std::string_view word, TriggerPolicy& out) {
  return value_of(kTriggerPolicies, word, out);
}

Json to_json(const GateOptions& options) {
  return {{"annotator_cap", options.annotator_cap == kAutomaticCap ? Json("auto") : Json(options.annotator_cap)},
          {"max_network_share", options.max_network_share},
          {"near_duplicates", to_string(options.near_duplicates)},
          {"outliers", to_string(options.outliers)},
          {"triggers", to_string(options.triggers)}};
}

GatedPairs gate_pairs(std::vector<EligiblePair> pairs, const GateOptions& options, uint64_t seed,
                      const Networks& networks) {
  if (options.annotator_cap < kAutomaticCap) {
    throw UsageError(cat("[datasets.snapshot] must have an annotator cap of 0 (none) or more, but got ",
                         options.annotator_cap, "."));
  }
  GatedPairs gated;
  gated.pairs = std::move(pairs);
  gated.counts["annotator_cap"] = apply_annotator_cap(gated.pairs, options.annotator_cap, seed);
  gated.counts["network_cap"] = apply_network_cap(gated.pairs, options.max_network_share, networks, seed);
  gated.counts["outliers"] = apply_outliers(gated.pairs, options.outliers);
  std::erase_if(gated.pairs, is_empty);
  gated.counts["triggers"] = apply_triggers(gated.pairs, options.triggers);
  Json dropped = 0;
  if (options.near_duplicates == NearDuplicates::drop) dropped = drop_near_duplicates(gated.pairs);
  gated.counts["near_duplicates"] = gather_prompts(gated, options.near_duplicates != NearDuplicates::keep);
  gated.counts["near_duplicates"]["dropped_pairs"] = std::move(dropped);
  return gated;
}

}  // namespace afina::datasets
