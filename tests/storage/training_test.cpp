// SPDX-License-Identifier: Apache-2.0
// Snapshots, runs, metrics, adapters, lineage and the audit chain.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "storage/audit.h"
#include "storage/loop.h"
#include "storage/quality/eligible.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class Training : public ::testing::Test {
 protected:
  storage::Run begin_run(const std::string& name) {
    storage::Run r;
    r.name = name;
    r.model = "smollm2.gguf";
    r.seed = 42;
    r.config = OrderedJson{{"zeta", 1}, {"alpha", {1.5, "ñ"}}};
    return db.transaction([&](Transaction& t) { return create_run(t, r); });
  }
  int claim(const std::string& run_id, int64_t step) {
    return db.transaction([&](Transaction& t) { return claim_run(t, run_id, step, "host", "0.1"); });
  }
  void log(const std::string& run_id, int attempt, const std::vector<Metric>& metrics) {
    db.transaction([&](Transaction& t) { insert_metrics(t, run_id, attempt, metrics); });
  }
  TestDatabase test;
  Database& db = test.db();
};

SnapshotMember member_of(const EligiblePair& pair, int64_t position, const std::string& split) {
  SnapshotMember m;
  m.position = position;
  m.split = split;
  m.pair_id = pair.pair.id;
  m.chosen_generation_id = pair.a.id;
  m.rejected_generation_id = pair.b.id;
  m.soft_label = 0.6 + 0.1 / 3;
  m.preference_ids = {pair.votes.at(0).id};
  return m;
}

TEST_F(Training, ASnapshotKeepsItsMembersAsTheyWere) {
  db.transaction(
      [&](Transaction& t) {
        const Person ana = make_person(t);
        for (int i = 0; i < 3; ++i) {
          put_preference(t, vote_on(make_pair_for(t, ana, cat("pregunta ", i)).exposure, i));
        }
        const auto pairs = eligible_pairs(t, {});
        ASSERT_EQ(pairs.size(), 3U);
        std::vector<SnapshotMember> members{member_of(pairs[0], 0, "train"), member_of(pairs[1], 1, "train"),
                                            member_of(pairs[2], 2, "eval")};
        members[1].kind = MemberKind::answer;
        members[1].rejected_generation_id.clear();
        members[1].margin = -0.25;
        Snapshot s;
        s.name = "noviembre";
        s.spec = {{"seed", 1}};
        const Snapshot stored = insert_snapshot(t, s, members);
        EXPECT_EQ(stored.members, 3);
        EXPECT_EQ(stored.train_members, 2);
        EXPECT_EQ(stored.sha256, snapshot_sha256(members));
        EXPECT_EQ(stored.isolation.rfind("repeatable read ", 0), 0U);
        EXPECT_EQ(get_snapshot(t, "noviembre").id, stored.id);
        EXPECT_EQ(get_snapshot(t, stored.id.substr(0, 30)).id, stored.id);
        EXPECT_THROW(get_snapshot(t, "diciembre"), NotFound);
        const auto rows = snapshot_rows(t, stored.id, "train");
        ASSERT_EQ(rows.size(), 2U);
        EXPECT_EQ(rows[0].prompt.at(0).content, "pregunta 0");
        EXPECT_EQ(rows[0].chosen, pairs[0].a.text);
        EXPECT_EQ(rows[0].rejected, pairs[0].b.text);
        EXPECT_EQ(rows[0].member.soft_label, members[0].soft_label) << "every bit";
        EXPECT_EQ(rows[0].member.preference_ids, members[0].preference_ids);
        EXPECT_EQ(rows[1].rejected, "");
        EXPECT_EQ(rows[1].member.margin, -0.25);
        EXPECT_FALSE(rows[0].withdrawn);
        EXPECT_EQ(descendants_of_preference(t, members[0].preference_ids[0]).snapshot_ids,
                  std::vector<std::string>{stored.id});
        s.id = new_uuid();
        EXPECT_THROW(insert_snapshot(t, s, {}), DataError);
      },
      {.isolation = Isolation::repeatable_read});
  EXPECT_THROW(db.transaction([](Transaction& t) { t.script("UPDATE snapshot_member SET weight = 2"); }), StorageError);
  EXPECT_THROW(db.transaction([](Transaction& t) {
    Snapshot s;
    s.name = "noviembre";
    const auto pairs = eligible_pairs(t, {});
    insert_snapshot(t, s, {member_of(pairs[0], 0, "train")});
  }),
               Conflict);
}

TEST_F(Training, FiltersChooseSourcesLocalesTimesAndBlindVotes) {
  db.transaction([&](Transaction& t) {
    const Person ana = make_person(t);
    const Shown shown = make_pair_for(t, ana);
    const Preference vote = put_preference(t, vote_on(shown.exposure, 1)).stored;
    EXPECT_EQ(eligible_pairs(t, {.sources = {Source::web}}).size(), 1U);
    EXPECT_EQ(eligible_pairs(t, {.sources = {Source::demo}}).size(), 0U);
    EXPECT_EQ(eligible_pairs(t, {.locales = {"pt", "es"}}).size(), 1U);
    EXPECT_EQ(eligible_pairs(t, {.locales = {"pt"}}).size(), 0U);
    EXPECT_EQ(eligible_pairs(t, {.before = vote.created_at}).size(), 0U);
    EXPECT_EQ(eligible_pairs(t, {.before = vote.created_at + std::chrono::seconds(1)}).size(), 1U);
    reveal_exposure(t, shown.exposure.id, ana.visitor_id);
    NewPreference after = vote_on(shown.exposure, 3);
    after.supersedes_id = vote.id;
    put_preference(t, after);
    EXPECT_EQ(eligible_pairs(t, {}).size(), 0U) << "the standing vote was cast with the names in view";
    EXPECT_EQ(eligible_pairs(t, {.blind_only = false}).size(), 1U);
    Rewrite rewrite;
    rewrite.exposure_id = shown.exposure.id;
    rewrite.visitor_id = ana.visitor_id;
    rewrite.text = "Mejor así.";
    rewrite.idempotency_key = "rw";
    put_rewrite(t, rewrite);
    rewrite.id = new_uuid();
    put_rewrite(t, rewrite);
    const auto pairs = eligible_pairs(t, {});
    ASSERT_EQ(pairs.size(), 1U);
    EXPECT_EQ(pairs[0].rewrites.size(), 1U);
    rewrite.text = "Otra.";
    EXPECT_THROW(put_rewrite(t, rewrite), Conflict);
  });
}

TEST_F(Training, AnOlderAttemptCanWriteNothingMore) {
  const storage::Run run = begin_run("r");
  EXPECT_EQ(run.state, RunState::queued);
  EXPECT_EQ(run.config.items().begin().key(), "zeta") << "order of keys";
  const int first = claim(run.id, 0);
  log(run.id, first, {{1, "loss", 1.0}});
  const int second = claim(run.id, 1);
  EXPECT_EQ(second, first + 1);
  EXPECT_THROW(log(run.id, first, {{2, "loss", 9.0}}), Conflict);
  EXPECT_THROW(db.transaction([&](Transaction& t) { finish_run(t, run.id, first, RunState::failed, "x"); }), Conflict);
  EXPECT_THROW(db.transaction([&](Transaction& t) { heartbeat_run(t, run.id, first, 9); }), Conflict);
  EXPECT_THROW(db.transaction([&](Transaction& t) { claim_run(t, run.id, 0, "h", "v", std::chrono::seconds(60)); }),
               Conflict)
      << "its holder is alive";
  db.transaction([&](Transaction& t) {
    describe_run(t, run.id, second, 20, "base", "");
    heartbeat_run(t, run.id, second, 7);
    finish_run(t, run.id, second, RunState::finished);
  });
  const storage::Run done = db.read([&](Transaction& t) { return get_run(t, "r"); });
  EXPECT_EQ(done.state, RunState::finished);
  EXPECT_EQ(done.step, 7);
  EXPECT_EQ(done.max_steps, 20);
  EXPECT_EQ(done.base_sha256, "base");
  EXPECT_TRUE(done.finished_at);
  EXPECT_THROW(claim(run.id, 0), Conflict);
  EXPECT_THROW(begin_run("r"), Conflict) << "the name is taken";
}

TEST_F(Training, MetricsReadAsIfWhatAResumeUndidHadNeverBeen) {
  const storage::Run run = begin_run("r");
  const int first = claim(run.id, 0);
  log(run.id, first, {{0, "eval_loss", 5}, {1, "loss", 1}, {2, "loss", 2}, {3, "loss", 3}, {4, "loss", 4}});
  log(run.id, first, {{4, "loss", 4.5}});
  const int second = claim(run.id, 2);
  log(run.id, second, {{3, "loss", 30}, {3, "grad_norm", 0.1 + 0.2}});
  const auto metrics = db.read([&](Transaction& t) { return metrics_since(t, run.id); });
  std::string seen;
  for (const Metric& m : metrics) {
    seen += cat(m.step, m.name, "=", m.value, " ");
  }
  EXPECT_EQ(seen, "0eval_loss=5 1loss=1 2loss=2 3grad_norm=0.3 3loss=30 ");
  EXPECT_EQ(metrics[3].value, 0.1 + 0.2) << "every bit";
  EXPECT_EQ(db.read([&](Transaction& t) { return metrics_since(t, run.id, 2).size(); }), 2U);
  const auto latest = db.read([&](Transaction& t) { return latest_metrics(t, run.id, {"loss", "eval_loss", "no"}); });
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[1].value, 30);
  log(run.id, second, {{4, "nan", std::nan("")}, {4, "inf", -INFINITY}});
  const auto odd = db.read([&](Transaction& t) { return metrics_since(t, run.id, 3); });
  ASSERT_EQ(odd.size(), 2U);
  EXPECT_EQ(odd[0].value, -INFINITY);
  EXPECT_TRUE(std::isnan(odd[1].value));
}

TEST_F(Training, ReferenceValuesKeepEveryBit) {
  const std::vector<double> values{-1.0 / 3, -123.456789012345678, 5e-324, -0.0};
  db.transaction([&](Transaction& t) {
    store_reference_logps(t, {{"k", values}, {"empty", {}}});
    store_reference_logps(t, {{"k", {1}}});
  });
  const auto found = db.read([](Transaction& t) { return find_reference_logps(t, "k"); });
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, values);
  EXPECT_TRUE(std::signbit((*found)[3]));
  EXPECT_FALSE(db.read([](Transaction& t) { return find_reference_logps(t, "other"); }));
}

TEST_F(Training, LineageLeadsFromAVoteToItsAdaptersAndBack) {
  db.transaction([&](Transaction& t) {
    const Person ana = make_person(t);
    const Preference vote = put_preference(t, vote_on(make_pair_for(t, ana).exposure, 2)).stored;
    Snapshot s;
    s.name = "s";
    insert_snapshot(t, s, {member_of(eligible_pairs(t, {}).at(0), 0, "train")});
    storage::Run sft;
    sft.name = "sft";
    sft.model = "m";
    sft.snapshot_id = s.id;
    create_run(t, sft);
    insert_training_examples(t, sft.id, {{0, "train", 0, "", "s:0", {vote.id}}});
    insert_training_examples(t, sft.id, {{0, "train", 0, "", "s:0", {vote.id}}});
    ASSERT_EQ(training_examples(t, sft.id).size(), 1U);
    EXPECT_EQ(training_examples(t, sft.id)[0].preference_ids, std::vector<std::string>{vote.id});
    Adapter a;
    a.name = "sft-adapter";
    a.run_id = sft.id;
    a.path = "/a";
    a.sha256 = std::string(64, '1');
    a.r = 16;
    a.target_modules = {"q_proj", "v_proj"};
    register_adapter(t, a);
    storage::Run dpo;
    dpo.name = "dpo";
    dpo.model = "m";
    dpo.start_adapter_id = a.id;
    create_run(t, dpo);
    Adapter b = a;
    b.id = new_uuid();
    b.name = "dpo-adapter";
    b.run_id = dpo.id;
    b.parent_id = a.id;
    register_adapter(t, b);
    const Descendants made = descendants_of_preference(t, vote.id);
    EXPECT_EQ(made.run_ids, (std::vector<std::string>{sft.id, dpo.id}));
    EXPECT_EQ(made.adapter_ids, (std::vector<std::string>{a.id, b.id}));
    EXPECT_EQ(preferences_of_adapter(t, b.id), std::vector<std::string>{vote.id});
    EXPECT_EQ(register_adapter(t, a).target_modules, a.target_modules) << "the same again";
    a.sha256 = std::string(64, '2');
    EXPECT_THROW(register_adapter(t, a), Conflict);
    EXPECT_EQ(list_adapters(t).size(), 2U);
    EXPECT_EQ(get_adapter(t, "dpo-adapter").id, b.id);
    EXPECT_FALSE(find_adapter(t, "none"));
  });
}

TEST_F(Training, TheLoopIsCountedInOneView) {
  db.transaction(
      [&](Transaction& t) {
        const LoopCounts empty = loop_counts(t);
        EXPECT_EQ(empty.conversations, 0);
        EXPECT_FALSE(empty.newest_snapshot);
        Adapter a;
        a.name = "new";
        a.sha256 = std::string(64, '1');
        a.r = 8;
        register_adapter(t, a);
        const Person ana = make_person(t);
        put_preference(t, vote_on(make_pair_for(t, ana, "1", a.id).exposure, 2));   // A, the base, is better
        put_preference(t, vote_on(make_pair_for(t, ana, "2", a.id).exposure, -1));  // B, the adapter, is better
        put_preference(t, vote_on(make_pair_for(t, ana, "3", a.id).exposure, -3));
        NewPreference good = vote_on(make_pair_for(t, ana, "4", a.id).exposure, 0);
        good.outcome = Outcome::both_good;
        put_preference(t, good);
        NewPreference none = vote_on(make_pair_for(t, ana, "5", a.id).exposure, 0);
        none.outcome = Outcome::cannot_judge;
        put_preference(t, none);
        make_pair_for(t, ana, "6");
        const LoopCounts counts = loop_counts(t);
        EXPECT_EQ(counts.conversations, 6);
        EXPECT_EQ(counts.messages, 6);
        EXPECT_EQ(counts.pairs, 6);
        EXPECT_EQ(counts.voted_pairs, 5);
        EXPECT_EQ(counts.votes, 5);
        EXPECT_EQ(counts.votes_outside_newest_snapshot, 5);
        EXPECT_EQ(counts.annotators, 1);
        EXPECT_EQ(counts.conversations_by_locale.at(0), (std::pair<std::string, int64_t>{"es", 6}));
        ASSERT_TRUE(counts.arena_adapter);
        EXPECT_EQ(counts.arena_adapter->name, "new");
        EXPECT_EQ(counts.arena_wins, 2);
        EXPECT_EQ(counts.arena_ties, 1);
        EXPECT_EQ(counts.arena_losses, 1);
      },
      {.isolation = Isolation::repeatable_read});
}

TEST(Audit, LinksAsTheGoldenChain) {
  const std::string first = audit_link(std::string(64, '0'), "{\"a\":1}");
  EXPECT_EQ(first, "b06a229070741292512e8760f470dd7a4c46ccfdf253df781d88dabe58c1ccb1");
  EXPECT_EQ(audit_link(first, "{\"a\":2}"), "a1d14784ae595e5334415f1ab3f83e6dd035dd72252a25352a9d3bfe1e7d08ba");
}

TEST_F(Training, AnAuditRowOfAnOlderViewRunsTheActAgain) {
  int calls = 0;
  db.transaction(
      [&](Transaction& t) {
        t.exec("SELECT count(*) FROM conversation");  // the view is taken
        if (++calls == 1) db.transaction([](Transaction& other) { append_audit(other, "a", "b", "c"); });
        append_audit(t, "d", "e", "f");
      },
      {.isolation = Isolation::repeatable_read});
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(db.read([](Transaction& t) { return verify_audit(t); }), 0);
  EXPECT_EQ(db.read([](Transaction& t) { return t.exec("SELECT 1 FROM audit_event").size(); }), 2U);
}

TEST_F(Training, AnAuditRowThatWasChangedIsFound) {
  for (int i = 0; i < 3; ++i) {
    db.transaction([&](Transaction& t) { append_audit(t, "cli", "export", "snapshot", {{"rows", i}}); });
  }
  EXPECT_EQ(db.read([](Transaction& t) { return verify_audit(t); }), 0);
  db.transaction([](Transaction& t) {
    t.script(
        "ALTER TABLE audit_event DISABLE TRIGGER ALL; UPDATE audit_event SET row = replace(row, '1}', '7}') "
        "WHERE number = 2");
  });
  EXPECT_EQ(db.read([](Transaction& t) { return verify_audit(t); }), 2);
}

}  // namespace
}  // namespace afina::storage
