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
      "WHERE $1 = '' OR purpose = $1 ORDER BY created_at DESC, id DESC LIMIT 1)",
      Params().text(purpose));
  std::map<std::string, double> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out[rows[i].text("annotator_id")] = rows[i].real("weight");
  return out;
}

void insert_rating_snapshot(Transaction& t, const RatingSnapshot& snapshot) {
  t.exec(
      "INSERT INTO rating_snapshot (id, workspace_id, model, filter, votes, annotators, body) "
      "VALUES ($1::uuid, $2::uuid, $3, $4::jsonb, $5::bigint, $6::bigint, $7::jsonb) ON CONFLICT (id) DO NOTHING",
      Params()
          .text(snapshot.id)
          .text(snapshot.workspace_id)
          .text(snapshot.model)
          .json(snapshot.filter)
          .integer(snapshot.votes)
          .integer(snapshot.annotators)
          .json(snapshot.body));
}

std::optional<RatingSnapshot> newest_rating_snapshot(Transaction& t, const std::string& workspace_id,
                                                     const std::string& model, const Json& filter) {
  const Result rows = t.exec(
      "SELECT * FROM rating_snapshot WHERE workspace_id = $1::uuid AND model = $2 AND filter = $3::jsonb "
      "ORDER BY created_at DESC, id DESC LIMIT 1",
      Params().text(workspace_id).text(model).json(filter));
  if (rows.empty()) return std::nullopt;
  const Row row = rows.one();
  RatingSnapshot out;
  out.id = row.text("id");
  out.workspace_id = row.text("workspace_id");
  out.model = row.text("model");
  out.filter = row.json("filter");
  out.votes = row.integer("votes");
  out.annotators = row.integer("annotators");
  out.body = row.json("body");
  out.created_at = row.time("created_at");
  return out;
}

}  // namespace afina::storage
