// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/reliability.h"

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

void check(const ReliabilityEstimate& estimate) {
  for (const auto& one : estimate.annotators) {
    const bool fits = one.reliability >= 0 && one.reliability <= 1 && one.low >= 0 && one.low <= one.high &&
                      one.high <= 1 && one.weight >= 0 && one.weight <= 1 && one.votes >= 0;
    if (!fits) {
      throw DataError(cat("[storage.reliability] numbers of an annotator must lie within 0 and 1, but ",
                          one.annotator_id, " has ", one.reliability, " within ", one.low, " and ", one.high,
                          ", weight ", one.weight, "."));
    }
  }
}

RatingSnapshot snapshot_of(const Row& row) {
  RatingSnapshot one;
  one.id = row.text("id");
  one.workspace_id = row.text("workspace_id");
  one.account_id = row.text("account_id");
  one.idempotency_key = row.text("idempotency_key");
  one.model = row.text("model");
  one.filter = row.json("filter");
  one.votes = row.integer("votes");
  one.annotators = row.integer("annotators");
  one.body = row.json("body");
  one.created_at = row.time("created_at");
  return one;
}

}  // namespace

void insert_reliability(Transaction& t, const ReliabilityEstimate& estimate) {
  check(estimate);
  t.exec(
      "INSERT INTO reliability_estimate (id, workspace_id, model, purpose, votes, pairs, settings) "
      "VALUES ($1::uuid, $2::uuid, $3, $4, $5::bigint, $6::bigint, $7::jsonb)",
      Params()
          .text(estimate.id)
          .text_or_null(estimate.workspace_id)
          .text(estimate.model)
          .text(estimate.purpose)
          .integer(estimate.votes)
          .integer(estimate.pairs)
          .json(estimate.settings));
  std::vector<std::string> ids;
  std::vector<double> reliability, low, high, weight;
  std::vector<int64_t> votes;
  for (const auto& one : estimate.annotators) {
    ids.push_back(one.annotator_id);
    reliability.push_back(one.reliability);
    low.push_back(one.low);
    high.push_back(one.high);
    weight.push_back(one.weight);
    votes.push_back(one.votes);
  }
  t.exec(
      "INSERT INTO annotator_reliability (estimate_id, annotator_id, reliability, low, high, weight, votes) "
      "SELECT $1::uuid, * FROM unnest($2::uuid[], $3::double precision[], $4::double precision[], "
      "$5::double precision[], $6::double precision[], $7::bigint[])",
      Params().text(estimate.id).texts(ids).reals(reliability).reals(low).reals(high).reals(weight).integers(votes));
}

std::map<std::string, double> estimated_reliability(Transaction& t, const std::string& purpose) {
  const Result rows = t.exec(
      "SELECT annotator_id, weight FROM annotator_reliability WHERE estimate_id = (SELECT id FROM reliability_estimate "
      "WHERE purpose = $1 ORDER BY created_at DESC, id DESC LIMIT 1)",
      Params().text(purpose));
  std::map<std::string, double> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out[rows[i].text("annotator_id")] = rows[i].real("weight");
  return out;
}

PutRatingSnapshot put_rating_snapshot(Transaction& t, const RatingSnapshot& snapshot) {
  const Result earlier = t.exec(
      "SELECT id, model = $3 AND filter = $4::jsonb AS same FROM rating_snapshot WHERE account_id = $1::uuid "
      "AND idempotency_key = $2",
      Params().text(snapshot.account_id).text(snapshot.idempotency_key).text(snapshot.model).json(snapshot.filter));
  if (!earlier.empty()) {
    if (!earlier.one().boolean("same"))
      throw Conflict(
          "[storage.ratings] an idempotency key must come with the same leaderboard, but came with another.");
    return {earlier.one().text("id"), false};
  }
  t.exec(
      "INSERT INTO rating_snapshot (id, workspace_id, account_id, idempotency_key, model, filter, votes, annotators, "
      "body) VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6::jsonb, $7::bigint, $8::bigint, $9::jsonb)",
      Params()
          .text(snapshot.id)
          .text(snapshot.workspace_id)
          .text(snapshot.account_id)
          .text(snapshot.idempotency_key)
          .text(snapshot.model)
          .json(snapshot.filter)
          .integer(snapshot.votes)
          .integer(snapshot.annotators)
          .json(snapshot.body));
  return {snapshot.id, true};
}

std::vector<RatingSnapshot> list_rating_snapshots(Transaction& t, const std::string& workspace_id, int64_t limit,
                                                  const std::string& before) {
  if (!before.empty()) require_uuid(before, "a published leaderboard");
  const Result rows = t.exec(
      "SELECT * FROM rating_snapshot WHERE workspace_id = $1::uuid AND ($2::uuid IS NULL OR id < $2::uuid) "
      "ORDER BY id DESC LIMIT $3::bigint",
      Params().text(workspace_id).text_or_null(before).integer(limit));
  std::vector<RatingSnapshot> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(snapshot_of(rows[i]));
  return out;
}

RatingSnapshot rating_snapshot(Transaction& t, const std::string& workspace_id, const std::string& id) {
  require_uuid(id, "a published leaderboard");
  const Result rows = t.exec("SELECT * FROM rating_snapshot WHERE id = $1::uuid AND workspace_id = $2::uuid",
                             Params().text(id).text(workspace_id));
  if (rows.empty())
    throw NotFound(
        "[storage.ratings] a published leaderboard must be of the workspace, but there is none with that id.");
  return snapshot_of(rows[0]);
}

}  // namespace afina::storage
