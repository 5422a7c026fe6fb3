// SPDX-License-Identifier: Apache-2.0
// A snapshot of a site that one network's visitors tried to fill.
#include <gtest/gtest.h>

#include "base/cat.h"
#include "datasets/snapshot.h"
#include "tests/storage/fixtures.h"

namespace afina::datasets {
namespace {

using storage::Person;
using storage::Transaction;

struct SnapshotNetworksDb : testing::Test {
  Person visitor(Transaction& t, const std::string& network) {
    storage::NewVisitor v;
    v.session_token = storage::new_session_token();
    v.receipt_code = storage::new_receipt_code();
    v.network = network;
    v.consent.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
    v.consent.purposes = {"train", "review"};
    storage::create_visitor(t, v);
    return {v.id, v.session_token, v.receipt_code};
  }
  void judge(Transaction& t, const Person& person, int votes, int grade) {
    for (int i = 0; i < votes; ++i) {
      const auto shown = storage::make_pair_for(t, person, cat("pregunta ", i, " de ", person.visitor_id));
      storage::put_preference(t, storage::vote_on(shown.exposure, grade));
    }
  }
  /// What a snapshot with that cap holds: pairs that favour the first answer, and the other.
  std::pair<int, int> sides(double share) {
    SnapshotSpec spec;
    spec.name = cat("con ", share);
    spec.gates.max_network_share = share;
    spec.gates.triggers = TriggerPolicy::allow;
    made = create_snapshot(test.db(), spec);
    std::pair<int, int> out;
    for (const PairRow& row : load_snapshot_pairs(test.db(), spec.name, "train").rows)
      ++(std::get<PairChat>(row.form).chosen.at(0).content == "No lo sé." ? out.second : out.first);
    return out;
  }
  storage::TestDatabase test;
  storage::Snapshot made;
};

TEST_F(SnapshotNetworksDb, FortyVisitorsOfOneNetworkWeighAsOneNetwork) {
  test.db().transaction([&](Transaction& t) {
    for (int i = 0; i < 30; ++i)
      judge(t, visitor(t, cat("198.51.", i, ".0/24")), 2, 2);
    for (int i = 0; i < 40; ++i)
      judge(t, visitor(t, "203.0.113.0/24"), 4, -3);
  });
  EXPECT_EQ(sides(kMaxNetworkShare), std::pair(60, 100)) << "the fewest that any network may bring";
  EXPECT_EQ(made.counts.at("network_cap"), (Json{{"cap", 100},
                                                 {"judgements", 220},
                                                 {"networks", 31},
                                                 {"of_unknown_networks", 0},
                                                 {"networks_over", 1},
                                                 {"left_out", 60}}));
  EXPECT_EQ(made.spec.at("gates").at("max_network_share"), kMaxNetworkShare);
  EXPECT_EQ(sides(1), std::pair(60, 160)) << "the control";
}

}  // namespace
}  // namespace afina::datasets
