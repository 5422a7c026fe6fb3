// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "datasets/snapshot.h"

namespace afina::datasets {
namespace {

namespace fs = std::filesystem;
using storage::MemberKind;

OrderedJson messages_json(const std::vector<storage::Message>& messages) {
  OrderedJson list = OrderedJson::array();
  for (const storage::Message& message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  return list;
}

OrderedJson answer_json(const std::string& text) {
  OrderedJson list = OrderedJson::array();
  list.push_back({{"role", "assistant"}, {"content", text}});
  return list;
}

OrderedJson row_json(const storage::SnapshotRow& row) {
  const storage::SnapshotMember& member = row.member;
  OrderedJson json;
  json["prompt"] = messages_json(row.prompt);
  if (member.kind == MemberKind::pair) {
    json["chosen"] = answer_json(row.chosen);
    json["rejected"] = answer_json(row.rejected);
    json["soft_label"] = member.soft_label;
    if (member.tie > 0.0) json["tie"] = member.tie;
    if (member.margin) json["margin"] = *member.margin;
    json["weight"] = member.weight;
  } else if (member.kind == MemberKind::answer) {
    json["completion"] = answer_json(row.chosen);
  } else {
    json["completion"] = answer_json(row.rejected);
    json["label"] = false;
  }
  json["split"] = member.split;
  json["locale"] = row.locale;
  json["pair_id"] = member.pair_id.empty() ? OrderedJson() : OrderedJson(member.pair_id);
  json["position"] = member.position;
  json["preference_ids"] = member.preference_ids;
  if (!member.submission_ids.empty()) json["submission_ids"] = member.submission_ids;
  if (!member.adjudication_ids.empty()) json["adjudication_ids"] = member.adjudication_ids;
  return json;
}

OrderedJson vote_json(const storage::Preference& vote, bool used) {
  OrderedJson json{{"preference_id", vote.id},
                   {"pair_id", vote.pair_id},
                   {"exposure_id", vote.exposure_id},
                   {"annotator_id", vote.annotator_id},
                   {"outcome", storage::to_string(vote.outcome)}};
  if (vote.outcome == storage::Outcome::graded) json["grade"] = vote.grade;
  if (vote.confidence) json["confidence"] = *vote.confidence;
  if (!vote.reason.empty()) json["reason"] = vote.reason;
  if (vote.ms_to_decide) json["ms_to_decide"] = *vote.ms_to_decide;
  if (!vote.supersedes_id.empty()) json["supersedes_id"] = vote.supersedes_id;
  json["superseded"] = vote.superseded;
  json["blind"] = vote.blind;
  json["source"] = storage::to_string(vote.source);
  json["created_at"] = iso8601_utc(vote.created_at);
  json["used"] = used;
  return json;
}

struct Files {
  std::map<std::string, std::string> content;
  SnapshotExportReport report;
};

// Every vote on the members' pairs until the snapshot was taken, of people who allow training now: a pair may have been
// judged by others too.
void add_votes(storage::Transaction& t, const storage::Snapshot& snapshot,
               const std::vector<storage::SnapshotRow>& rows, Files& files) {
  std::set<std::string> pairs, used;
  for (const storage::SnapshotRow& row : rows) {
    if (row.withdrawn || row.member.pair_id.empty()) continue;
    pairs.insert(row.member.pair_id);
    used.insert(row.member.preference_ids.begin(), row.member.preference_ids.end());
  }
  for (const storage::Preference& vote :
       storage::training_votes(t, {pairs.begin(), pairs.end()}, snapshot.created_at)) {
    files.content["votes.jsonl"] += dump_json(vote_json(vote, used.count(vote.id) > 0)) + "\n";
    ++files.report.votes;
  }
}

Files collect(storage::Transaction& t, const std::string& id_or_name) {
  Files files;
  const storage::Snapshot snapshot = storage::get_snapshot(t, id_or_name);
  const auto rows = storage::snapshot_rows(t, snapshot.id);
  for (const storage::SnapshotRow& row : rows) {
    if (row.withdrawn) {
      ++files.report.withdrawn;
      continue;
    }
    const bool pair = row.member.kind == MemberKind::pair, answer = row.member.kind == MemberKind::answer;
    // One file a split: a trainer that is given a file must not meet held-out rows in it.
    const char* form = pair ? "preference" : answer ? "sft" : "negative";
    files.content[cat(form, ".", row.member.split, ".jsonl")] += dump_json(row_json(row)) + "\n";
    ++(pair ? files.report.pairs : answer ? files.report.sft : files.report.negatives);
  }
  add_votes(t, snapshot, rows, files);
  const OrderedJson about{{"id", snapshot.id},           {"name", snapshot.name},
                          {"sha256", snapshot.sha256},   {"created_at", iso8601_utc(snapshot.created_at)},
                          {"members", snapshot.members}, {"withdrawn_since", files.report.withdrawn},
                          {"spec", snapshot.spec},       {"counts", snapshot.counts}};
  files.content["snapshot.json"] = dump_json(about, 2) + "\n";
  return files;
}

}  // namespace

SnapshotExportReport export_snapshot(storage::Database& database, const std::string& id_or_name,
                                     const fs::path& folder) {
  if (fs::exists(folder))
    throw Conflict(cat("[", folder.string(), "] must not exist yet, but does."), "name a new folder with --out");
  const Files files = database.transaction([&](storage::Transaction& t) { return collect(t, id_or_name); },
                                           {.isolation = storage::Isolation::repeatable_read, .read_only = true});
  fs::path temporary = folder;
  temporary += ".tmp-" + random_hex(6);
  std::error_code code;
  fs::create_directories(temporary, code);
  if (code) throw StorageError(cat("[", temporary.string(), "] must be a new folder, but got: ", code.message(), "."));
  try {
    for (const auto& [name, content] : files.content)
      write_file_synced(temporary / name, content);
    sync_path(temporary);
    fs::rename(temporary, folder);
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(temporary, code);
    throw StorageError(cat("[", folder.string(), "] must be writable, but got: ", error.code().message(), "."));
  } catch (...) {
    fs::remove_all(temporary, code);
    throw;
  }
  SnapshotExportReport report = files.report;
  report.folder = folder;
  return report;
}

}  // namespace afina::datasets
