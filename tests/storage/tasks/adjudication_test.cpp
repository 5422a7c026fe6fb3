// SPDX-License-Identifier: Apache-2.0
// Where annotators part, and what reviewers decide there: every kind of item, what is refused, what a withdrawal
// undoes.
#include "storage/tasks/adjudication.h"

#include <future>

#include "storage/people.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

class Adjudication : public TaskWorld {
 protected:
  Adjudication() : TaskWorld(8) {}

  PutAdjudication decide(const NewAdjudication& a) {
    return db.transaction([&](Transaction& t) { return adjudicate(t, a); });
  }
  NewAdjudication verdict_on(const std::string& item_id) {
    NewAdjudication a;
    a.item_id = item_id;
    a.workspace_id = kPublicWorkspace;
    a.account_id = boss.account_id;
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return a;
  }
  NewAdjudication flags_on(const std::string& item_id, const std::vector<PositionFlag>& flags) {
    NewAdjudication a = verdict_on(item_id);
    a.flags_given = true;
    a.verdict.flags = flags;
    return a;
  }
  NewAdjudication choice_on(const std::string& item_id, const std::string& submission_id) {
    NewAdjudication a = verdict_on(item_id);
    a.submission_id = submission_id;
    return a;
  }
  struct Written {
    std::string item, id;  ///< of the submission
    Worker who;
  };
  /// Each of a new person, on the project's only item.
  std::vector<Written> rewrites(const std::string& project_id, const std::vector<std::string>& texts) {
    std::vector<Written> out;
    for (const std::string& text : texts) {
      const Worker who = worker();
      const Task task = task_of(project_id, who);
      NewSubmission written = plain(task, who);
      written.rewrite = text;
      out.push_back({task.item_id, hand_in(written).id, who});
    }
    return out;
  }
  std::string rewriting(int overlap) {
    const std::string id = project(settings(ProjectKind::rewrite, overlap));
    add(id, items(1));
    return id;
  }
  void withdraw_person(const Worker& who) {
    db.transaction([&](Transaction& t) { withdraw_visitor(t, who.visitor_id); });
  }
  /// Everything that a verdict could write.
  std::string state() {
    return db.read([](Transaction& t) {
      return t
          .exec(
              "SELECT md5(coalesce((SELECT string_agg(a::text, ',' ORDER BY id) FROM adjudication a), '') || "
              "(SELECT string_agg(i::text, ',' ORDER BY id) FROM item i)) AS state")
          .one()
          .text("state");
    });
  }
};

TEST_F(Adjudication, ReviewersSeeWhoPartsUnderPseudonymsAndTheirVerdictStands) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(2));
  std::vector<Worker> people = {worker(), worker()};
  std::string disputed;
  for (size_t p = 0; p < 2; ++p) {
    for (int i = 0; i < 2; ++i) {
      const Task task = task_of(id, people[p]);
      if (disputed.empty()) disputed = task.item_id;
      hand_in(about_items(task, people[p], task.item_id == disputed && p == 1 ? -2 : 1));
    }
  }
  auto parted = seen(id, true);
  ASSERT_EQ(parted.size(), 1u);
  EXPECT_EQ(parted[0].id, disputed);
  ASSERT_EQ(parted[0].submissions.size(), 2u);
  EXPECT_NE(parted[0].submissions[0].annotator, parted[0].submissions[1].annotator);
  EXPECT_EQ(parted[0].submissions[0].annotator.substr(0, 2), "P-");
  NewAdjudication a = verdict_on(disputed);
  a.verdict.outcome = Outcome::both_bad;
  a.note = "ninguna responde";
  a.idempotency_key = "k1";
  a.body_sha256 = sha256_hex("1");
  EXPECT_TRUE(decide(a).created);
  NewAdjudication again = a;
  again.id = new_uuid();
  EXPECT_FALSE(decide(again).created);
  again.body_sha256 = sha256_hex("2");
  EXPECT_THROW(decide(again), Conflict);
  EXPECT_TRUE(seen(id, true).empty());
  again.idempotency_key = "k2";
  again.verdict.outcome = Outcome::graded;
  again.verdict.grade = 1;
  decide(again);
  EXPECT_EQ(count("count(*) FROM adjudication"), 2) << "append-only";
  EXPECT_EQ(count("count(*) FROM standing_adjudication WHERE grade = 1"), 1) << "the last one stands";
  NewAdjudication stranger = again;
  stranger.id = new_uuid();
  stranger.idempotency_key = "k3";
  stranger.workspace_id = db.transaction([](Transaction& t) { return ensure_workspace(t, "otra").id; });
  EXPECT_THROW(decide(stranger), NotFound);
  stranger.workspace_id = kPublicWorkspace;
  stranger.verdict.tiers = {{0}, {1}};
  EXPECT_THROW(decide(stranger), DataError);
}

TEST_F(Adjudication, FlagsAndRewritesThatPartAreSeenByReviewers) {
  const std::string flagging = project(settings(ProjectKind::flagging, 2));
  const std::string rewriting = project(settings(ProjectKind::rewrite, 2));
  add(flagging, items(2, 1));
  add(rewriting, items(2, 1));
  const std::vector<Worker> people{worker(), worker()};
  std::string parted_flags, parted_texts;
  for (size_t who = 0; who < people.size(); ++who) {
    for (int i = 0; i < 2; ++i) {
      const Task flags = task_of(flagging, people[who]);
      if (parted_flags.empty()) parted_flags = flags.item_id;
      NewSubmission said = plain(flags, people[who]);
      if (who == 0 && flags.item_id == parted_flags) said.flags.push_back({0, FlagKind::toxic, ""});
      hand_in(said);
      const Task text = task_of(rewriting, people[who]);
      if (parted_texts.empty()) parted_texts = text.item_id;
      NewSubmission written = plain(text, people[who]);
      written.rewrite = text.item_id == parted_texts && who == 1 ? "otra cosa" : "lo mismo";
      hand_in(written);
    }
  }
  ASSERT_EQ(seen(flagging, true).size(), 1u);
  EXPECT_EQ(seen(flagging, true)[0].id, parted_flags);
  EXPECT_EQ(seen(flagging, true)[0].spread, 1.0);
  ASSERT_EQ(seen(rewriting, true).size(), 1u);
  EXPECT_EQ(seen(rewriting, true)[0].id, parted_texts);
}

TEST_F(Adjudication, OfAFlaggingItemTheReviewerSaysWhichFlagsThereAre) {
  const std::string id = project(settings(ProjectKind::flagging, 2));
  add(id, items(1));
  std::string item;
  for (const bool flagged : {true, false}) {
    const Worker who = worker();
    const Task task = task_of(id, who);
    item = task.item_id;
    NewSubmission said = plain(task, who);
    if (flagged) said.flags.push_back({0, FlagKind::toxic, ""});
    hand_in(said);
  }
  ASSERT_EQ(seen(id, true).size(), 1u);
  EXPECT_TRUE(decide(flags_on(item, {{1, FlagKind::hallucination}, {0, FlagKind::toxic}})).created);
  EXPECT_TRUE(seen(id, true).empty());
  EXPECT_EQ(seen(id)[0].adjudication->verdict, parse_json(R"({"flags": [{"side": "b", "kind": "hallucination"},
                                                                        {"side": "a", "kind": "toxic"}]})",
                                                          "expected"));
  decide(flags_on(item, {}));
  EXPECT_EQ(seen(id)[0].adjudication->verdict, (Json{{"flags", Json::array()}})) << "nothing to flag is a verdict too";
  EXPECT_EQ(count("count(*) FROM adjudication"), 2) << "append-only";
  EXPECT_EQ(count("count(*) FROM standing_adjudication WHERE flags = '[]'"), 1);
}

TEST_F(Adjudication, OfRewritesTheReviewerChoosesOne) {
  const std::string id = rewriting(2);
  const auto written = rewrites(id, {"una manera", "otra manera"});
  ASSERT_EQ(seen(id, true).size(), 1u);
  decide(choice_on(written[0].item, written[1].id));
  EXPECT_TRUE(seen(id, true).empty());
  EXPECT_EQ(seen(id)[0].adjudication->verdict, (Json{{"submission", written[1].id}}));
  decide(choice_on(written[0].item, written[0].id));
  EXPECT_EQ(seen(id)[0].adjudication->verdict, (Json{{"submission", written[0].id}})) << "the last one stands";
  EXPECT_EQ(count("count(*) FROM adjudication"), 2);
}

TEST_F(Adjudication, WhatDoesNotFitTheItemIsRefusedAndWritesNothing) {
  const std::string flagging = project(settings(ProjectKind::flagging, 1));
  const std::string pairs = project(settings(ProjectKind::pairwise, 1)),
                    rating = project(settings(ProjectKind::rating, 1));
  for (const std::string& id : {flagging, pairs, rating})
    add(id, items(1));
  const auto written = rewrites(rewriting(2), {"una manera", "otra manera"});
  const std::string flag_item = seen(flagging)[0].id, pair_item = seen(pairs)[0].id, rating_item = seen(rating)[0].id;
  const std::string& rewrite_item = written[0].item;
  const auto with = [&](const std::string& item, auto&& change) {
    NewAdjudication a = verdict_on(item);
    change(a);
    return a;
  };
  const auto outcome = [](NewAdjudication& a) { a.verdict.outcome = Outcome::both_bad; };
  const auto tiers = [](NewAdjudication& a) { a.verdict.tiers = {{0}, {1}}; };
  const auto ratings = [](NewAdjudication& a) { a.verdict.ratings = {{0, Aspect::helpful, 3}}; };
  const auto flags = [](NewAdjudication& a) { a.flags_given = true; };
  const auto choice = [&](NewAdjudication& a) { a.submission_id = written[0].id; };
  const auto nothing = [](NewAdjudication&) {};
  const std::vector<NewAdjudication> bad = {
      with(flag_item, nothing),
      with(flag_item, outcome),
      with(flag_item, tiers),
      with(flag_item, ratings),
      with(flag_item, choice),
      flags_on(flag_item, {{2, FlagKind::toxic}}),
      flags_on(flag_item, {{-1, FlagKind::toxic}}),
      flags_on(flag_item, {{0, FlagKind::toxic}, {0, FlagKind::toxic}}),
      with(flag_item, [&](NewAdjudication& a) { flags(a), tiers(a); }),
      with(flag_item, [&](NewAdjudication& a) { flags(a), ratings(a); }),
      with(rewrite_item, nothing),
      with(rewrite_item, outcome),
      with(rewrite_item, tiers),
      with(rewrite_item, ratings),
      with(rewrite_item, flags),
      with(rewrite_item, [&](NewAdjudication& a) { choice(a), outcome(a); }),
      with(rewrite_item, [&](NewAdjudication& a) { choice(a), flags(a); }),
      with(rewrite_item, [&](NewAdjudication& a) { choice(a), ratings(a); }),
      with(pair_item, flags),
      with(pair_item, choice),
      with(pair_item, [&](NewAdjudication& a) { outcome(a), flags(a); }),
      with(pair_item,
           [&](NewAdjudication& a) {
             outcome(a), a.verdict.flags = {{0, FlagKind::toxic}};
           }),
      with(rating_item, flags),
      with(rating_item, choice),
  };
  const std::string before = state();
  for (size_t i = 0; i < bad.size(); ++i)
    EXPECT_THROW(decide(bad[i]), DataError) << i;
  EXPECT_EQ(state(), before);
  decide(choice_on(rewrite_item, written[0].id));
  EXPECT_NE(state(), before) << "the control";
}

TEST_F(Adjudication, OnlyARewriteOfTheSameItemThatStandsCanBeChosen) {
  const auto here = rewrites(rewriting(2), {"una manera", "otra manera"});
  const auto elsewhere = rewrites(rewriting(1), {"de otro proyecto"});
  const std::string far = db.transaction([](Transaction& t) { return ensure_workspace(t, "otra").id; });
  NewAdjudication stranger = choice_on(here[0].item, here[0].id);
  stranger.workspace_id = far;
  const std::string before = state();
  EXPECT_THROW(decide(stranger), NotFound);
  EXPECT_THROW(decide(choice_on(here[0].item, elsewhere[0].id)), NotFound);
  EXPECT_THROW(decide(choice_on(here[0].item, new_uuid())), NotFound);
  EXPECT_THROW(decide(choice_on(here[0].item, here[0].item)), NotFound);
  EXPECT_THROW(decide(choice_on(here[0].item, "la primera")), NotFound);
  EXPECT_EQ(state(), before);
  withdraw_person(here[1].who);
  const std::string after = state();
  EXPECT_THROW(decide(choice_on(here[0].item, here[1].id)), NotFound);
  EXPECT_EQ(state(), after);
  EXPECT_TRUE(decide(choice_on(here[0].item, here[0].id)).created) << "the control";
}

TEST_F(Adjudication, WhenTheChosenWriterWithdrawsNothingIsDecidedAndTheRestIsDisputedAgain) {
  const std::string id = rewriting(4);
  const auto written = rewrites(id, {"una manera", "otra manera", "una tercera"});
  const std::string& item = written[0].item;
  decide(choice_on(item, written[1].id));
  const NewAdjudication last = choice_on(item, written[0].id);
  decide(last);
  withdraw_person(written[2].who);
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 1) << "the control: others may go";
  EXPECT_TRUE(seen(id, true).empty());
  withdraw_person(written[0].who);
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 0) << "not even the verdict that was taken back";
  EXPECT_FALSE(seen(id)[0].adjudication);
  EXPECT_FALSE(seen(id)[0].disputed) << "one is left: nobody parts";
  EXPECT_FALSE(decide(last).created) << "said again, the same answer";
  const auto later = rewrites(id, {"una cuarta"});
  ASSERT_EQ(seen(id, true).size(), 1u) << "two are left that part, and nobody decided between them";
  decide(choice_on(item, later[0].id));
  EXPECT_TRUE(seen(id, true).empty());
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 1);
}

TEST_F(Adjudication, AWithdrawalReopensTheDisputeOfThoseWhoAreLeft) {
  const std::string id = rewriting(3);
  const auto written = rewrites(id, {"una manera", "otra manera", "una tercera"});
  decide(choice_on(written[0].item, written[0].id));
  ASSERT_TRUE(seen(id, true).empty());
  withdraw_person(written[0].who);
  const auto parted = seen(id, true);
  ASSERT_EQ(parted.size(), 1u);
  EXPECT_EQ(parted[0].submissions.size(), 2u);
  EXPECT_EQ(parted[0].spread, 1.0);
}

TEST_F(Adjudication, AWithdrawalWaitsForTheVerdictThatIsBeingMade) {
  const std::string id = rewriting(3);
  const auto written = rewrites(id, {"una manera", "otra manera", "una tercera"});
  std::future<void> gone;
  db.transaction([&](Transaction& t) {
    adjudicate(t, choice_on(written[0].item, written[0].id));
    gone = std::async(std::launch::async, [&] { withdraw_person(written[0].who); });
    EXPECT_EQ(gone.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  });
  gone.get();
  EXPECT_EQ(count("count(*) FROM standing_adjudication"), 0);
  EXPECT_EQ(seen(id, true).size(), 1u) << "neither missed the other";
}

TEST_F(Adjudication, TheViewOfStandingVerdictsKeepsItsCallersEyes) {
  EXPECT_EQ(count("count(*) FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace "
                  "AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)"),
            0);
}

}  // namespace
}  // namespace afina::storage
