// SPDX-License-Identifier: Apache-2.0
// The routes of quality over a database with people, votes and a project.
#include <gtest/gtest.h>

#include <memory>

#include "base/hash.h"
#include "collector/collector.h"
#include "http/client.h"
#include "storage/accounts/tokens.h"
#include "storage/quality/rating_votes.h"
#include "tests/collector/fake_upstream.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::collector {
namespace {

using storage::Person;
using storage::Role;
using storage::Transaction;
using storage::Worker;

struct Answer {
  int status = 0;
  Json json;
};

class QualityRoutes : public storage::TaskWorld {
 protected:
  QualityRoutes() {
    CollectorConfig config;
    UpstreamConfig upstream;
    upstream.name = "modelo";
    upstream.model = "uno";
    upstream.base_url = fake_.url();
    config.upstreams.push_back(upstream);
    config.port = 0;
    config.acts_per_minute = 0;
    collector_ = std::make_unique<Collector>(config, db);
    collector_->start();
  }
  /// An account of that role and its API token.
  std::string token(Role role, const std::string& workspace = storage::kPublicWorkspace) {
    return db.transaction([&](Transaction& t) {
      storage::NewAccount account;
      account.name = "token-" + account.id;
      create_account(t, account);
      add_member(t, workspace, account.id, role);
      return token_of(t, account.id, workspace);
    });
  }
  static std::string token_of(Transaction& t, const std::string& account_id, const std::string& workspace) {
    storage::NewToken token;
    token.secret = sha256_hex(account_id);
    token.account_id = account_id;
    token.workspace_id = workspace;
    token.name = "prueba";
    token.scopes = {"read", "review", "tasks"};
    create_token(t, token);
    return storage::token_text(token);
  }
  Answer get(const std::string& path, const std::string& token = "") const { return ask("GET", path, token); }
  Answer ask(const std::string& method, const std::string& path, const std::string& token,
             const std::string& key = "") const {
    http::ClientOptions options;
    options.base_url = collector_->address();
    options.max_retries = 0;
    const http::Client client(options);
    http::Headers headers;
    if (!token.empty()) headers.set("Authorization", "Bearer " + token);
    if (!key.empty()) headers.set("Idempotency-Key", key);
    const auto response = client.request(method, path, method == "POST" ? "{}" : "", headers);
    return {response.status, Json::parse(response.body, nullptr, false)};
  }
  /// A pair of one person's conversation, with their vote; a is on the left.
  storage::Shown vote(const Person& person, const std::string& a, const std::string& b, int grade,
                      const std::string& locale = "es", storage::Source source = storage::Source::web) {
    return db.transaction([&](Transaction& t) {
      storage::Conversation c;
      c.visitor_id = person.visitor_id;
      c.locale = locale;
      storage::Shown s;
      s.conversation = create_conversation(t, c);
      storage::Message m;
      m.conversation_id = c.id;
      m.role = "user";
      m.content = "¿Qué hora es?";
      append_message(t, m, person.visitor_id);
      storage::Generation g;
      g.conversation_id = c.id;
      g.turn = 1;
      g.model = a;
      g.text = "Las tres.";
      s.a = append_generation(t, g);
      g.id = new_uuid();
      g.slot = 1;
      g.model = b;
      g.text = "Las cuatro.";
      s.b = append_generation(t, g);
      s.pair = create_pair(t, s.a.id, s.b.id);
      storage::Exposure e;
      e.pair_id = s.pair.id;
      e.visitor_id = person.visitor_id;
      s.exposure = create_exposure(t, e);
      auto given = vote_on(s.exposure, grade);
      given.source = source;
      put_preference(t, given);
      return s;
    });
  }
  Person person(const std::string& country = "") {
    return db.transaction([&](Transaction& t) {
      const Person one = storage::make_person(t);
      if (!country.empty()) {
        t.exec(
            "INSERT INTO annotator_profile (annotator_id, country) SELECT annotator_id, $2 FROM visitor WHERE id = "
            "$1::uuid",
            storage::Params().text(one.visitor_id).text(country));
      }
      return one;
    });
  }
  /// `people` people of a country prefer the model "bueno" to "malo", two of three times.
  std::vector<Person> crowd(int people, const std::string& country = "", const std::string& locale = "es",
                            storage::Source source = storage::Source::web) {
    std::vector<Person> out;
    for (int i = 0; i < people; ++i) {
      out.push_back(person(country));
      vote(out.back(), "bueno", "malo", 2, locale, source);
      vote(out.back(), "malo", "bueno", -1, locale, source);
      vote(out.back(), "bueno", "malo", -1, locale, source);
    }
    return out;
  }

  FakeUpstream fake_;
  std::unique_ptr<Collector> collector_;
};

TEST_F(QualityRoutes, LeaderboardIsPublicAndFiltersByLocaleAndCountry) {
  crowd(5, "CL");
  crowd(6, "PE", "pt");
  const Answer all = get("/api/leaderboard");
  ASSERT_EQ(all.status, 200) << all.json;
  ASSERT_EQ(all.json["models"].size(), 2u);
  EXPECT_EQ(all.json["models"][0]["name"], "bueno");
  EXPECT_EQ(all.json["annotators"], 11);
  EXPECT_EQ(all.json["votes"], 33);
  EXPECT_EQ(get("/api/leaderboard?country=CL").json["annotators"], 5);
  EXPECT_EQ(get("/api/leaderboard?locale=pt").json["annotators"], 6);
  EXPECT_EQ(get("/api/leaderboard?locale=pt&country=CL").json["annotators"], 0);
  EXPECT_EQ(get("/api/leaderboard?model=davidson").json["model"], "davidson");
}

TEST_F(QualityRoutes, LeaderboardShowsNothingOfFourPeople) {
  crowd(4, "CL");
  const Json board = get("/api/leaderboard").json;
  EXPECT_TRUE(board["models"].empty());
  EXPECT_EQ(board["suppressed"], 2);
  EXPECT_EQ(board["votes"], 0);
}

TEST_F(QualityRoutes, LeaderboardTakesBlindVotesThatStandOnly) {
  const auto people = crowd(6);
  const auto votes = [&] {
    return db.read([&](Transaction& t) {
      int64_t sum = 0;
      for (const auto& vote : storage::rating_votes(t, {storage::kPublicWorkspace, "", "", "", ""}))
        sum += vote.count;
      return sum;
    });
  };
  EXPECT_EQ(votes(), 18);
  const auto leaked = vote(people[0], "bueno", "malo", 3);
  sql(cat("UPDATE exposure SET leak_b = true WHERE id = '", leaked.exposure.id, "'"));
  EXPECT_EQ(votes(), 18) << "an answer named its maker";
  const auto seen = vote(people[0], "bueno", "malo", 3);
  db.transaction([&](Transaction& t) {
    storage::reveal_exposure(t, seen.exposure.id, people[0].visitor_id);
    auto later = storage::vote_on(seen.exposure, -3);
    later.supersedes_id = storage::standing_preference(t, seen.exposure.id, people[0].visitor_id)->id;
    storage::put_preference(t, later);
  });
  EXPECT_EQ(votes(), 18) << "cast after the names were shown, and the blind one was replaced";
  vote(people[0], "bueno", "bueno", 3);
  EXPECT_EQ(votes(), 18) << "a model against itself";
  db.transaction([&](Transaction& t) { storage::withdraw(t, people[1].receipt); });
  EXPECT_EQ(votes(), 15) << "withdrawn";
}

TEST_F(QualityRoutes, VotesOfProgramsThatNobodyGaveAnAccountAreNoPeoplesVotes) {
  // Whoever asks for a visit as a program may say so six times, and that it is a demo.
  crowd(6, "", "es", storage::Source::demo);
  const auto programs = crowd(7, "", "es", storage::Source::api);
  EXPECT_EQ(get("/api/leaderboard").json["annotators"], 0);
  EXPECT_EQ(get("/api/leaderboard?source=demo").json["annotators"], 6);
  EXPECT_EQ(get("/api/leaderboard?source=api").json["annotators"], 7);
  EXPECT_EQ(get("/api/leaderboard?source=web").json["annotators"], 0);
  EXPECT_EQ(get("/api/leaderboard?source=robots").status, 400);
  for (const auto& one : programs) {
    sql(cat("INSERT INTO account (id, annotator_id, name) SELECT '", new_uuid(), "', annotator_id, id FROM visitor ",
            "WHERE id = '", one.visitor_id, "'"));
  }
  EXPECT_EQ(get("/api/leaderboard?locale=es").json["annotators"], 7) << "programs with an account";
}

TEST_F(QualityRoutes, LeaderboardsArePublishedByReviewersAndListedForEverybody) {
  const auto people = crowd(6);
  EXPECT_TRUE(get("/api/leaderboards").json["leaderboards"].empty());
  const std::string reviewer = token(Role::reviewer);
  EXPECT_EQ(ask("POST", "/api/leaderboards", token(Role::annotator), "k").status, 403);
  EXPECT_EQ(ask("POST", "/api/leaderboards", reviewer).status, 400) << "without a key";
  const auto made = ask("POST", "/api/leaderboards?model=davidson", reviewer, "k");
  ASSERT_EQ(made.status, 201) << made.json;
  const auto again = ask("POST", "/api/leaderboards?model=davidson", reviewer, "k");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.json["id"], made.json["id"]);
  EXPECT_EQ(ask("POST", "/api/leaderboards", reviewer, "k").status, 409) << "the key with another model";
  const Json before = get("/api/leaderboard?model=davidson").json;
  vote(people[0], "malo", "bueno", 3);
  ASSERT_EQ(ask("POST", "/api/leaderboards?model=davidson", reviewer, "k2").status, 201);
  const Json listed = get("/api/leaderboards").json;
  ASSERT_EQ(listed["leaderboards"].size(), 2u);
  EXPECT_EQ(listed["leaderboards"][1]["id"], made.json["id"]);
  EXPECT_EQ(listed["leaderboards"][1]["models"], before["models"]) << "as it stood then";
  EXPECT_EQ(listed["leaderboards"][0]["votes"], before["votes"].get<int64_t>() + 1);
  EXPECT_EQ(listed["leaderboards"][0]["filter"],
            (Json{{"locale", ""}, {"country", ""}, {"aspect", ""}, {"source", ""}}));
  const Answer one = get(cat("/api/leaderboards/", made.json["id"].get<std::string>()));
  ASSERT_EQ(one.status, 200) << one.json;
  EXPECT_EQ(one.json, listed["leaderboards"][1]) << "one of them, at its own address";
  EXPECT_EQ(get(cat("/api/leaderboards/", new_uuid())).status, 404);
  EXPECT_EQ(get("/api/leaderboards/ayer").status, 404) << "no id at all is nobody's";
  const std::string elsewhere =
      db.transaction([](Transaction& t) { return storage::ensure_workspace(t, "Radio Comunitaria").id; });
  EXPECT_EQ(
      ask("GET", cat("/api/leaderboards/", made.json["id"].get<std::string>()), token(Role::admin, elsewhere)).status,
      404)
      << "another organisation's";
}

TEST_F(QualityRoutes, LeaderboardByAspectComparesRatingsOfOneAct) {
  for (int i = 0; i < 6; ++i) {
    const auto who = person();
    const auto shown = vote(who, "bueno", "malo", i % 2 == 0 ? 3 : -3);
    // In clarity the one that most people found worse wins five of six times.
    sql(
        cat("INSERT INTO aspect_rating (act_id, generation_id, aspect, value, visitor_id, annotator_id) "
            "SELECT p.id, g.id, 'clarity', CASE WHEN (g.model = 'malo') = ",
            i < 5 ? "true" : "false",
            " THEN 5 ELSE 2 END, p.visitor_id, p.annotator_id FROM preference p, generation g WHERE p.exposure_id = '",
            shown.exposure.id, "' AND g.id IN ('", shown.a.id, "', '", shown.b.id, "')"));
  }
  const Json board = get("/api/leaderboard?aspect=clarity").json;
  ASSERT_EQ(board["models"].size(), 2u);
  EXPECT_EQ(board["models"][0]["name"], "malo");
  EXPECT_EQ(board["models"][0]["wins"], 5);
  EXPECT_TRUE(get("/api/leaderboard?aspect=dialect").json["models"].empty());
}

TEST_F(QualityRoutes, QueriesOutOfFormAreRefused) {
  for (const char* query : {"country=cl", "country=CHL", "locale=es%20CL", "aspect=taste", "model=elo",
                            "locale=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "country=%27%3B--"}) {
    const Answer answer = get(cat("/api/leaderboard?", query));
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_EQ(answer.json["error"]["code"], "bad_request") << query;
  }
}

TEST_F(QualityRoutes, StatisticsCountGroupsOfFivePeopleOrMore) {
  crowd(5, "CL");
  crowd(6, "BO");
  const Json counts = get("/api/statistics").json;
  ASSERT_EQ(counts["countries"].size(), 2u) << counts;
  EXPECT_EQ(counts["countries"][1]["country"], "CL");
  EXPECT_EQ(counts["countries"][1]["people"], 5);
  EXPECT_EQ(counts["countries"][1]["votes"], 15);
  EXPECT_EQ(counts["suppressed"]["countries"], 0);
  EXPECT_EQ(counts["locales"][0]["locale"], "es");
  EXPECT_EQ(counts["locales"][0]["people"], 11);
  EXPECT_EQ(counts["days"][0]["conversations"], 33);
}

TEST_F(QualityRoutes, ASmallGroupCannotBeHadByTakingTheOthersFromATotal) {
  crowd(5, "CL");
  crowd(6, "BO");
  crowd(4, "PE");
  const Json counts = get("/api/statistics").json;
  EXPECT_EQ(counts["days"][0]["people"], 15) << "the total is told";
  ASSERT_EQ(counts["countries"].size(), 1u) << counts;
  EXPECT_EQ(counts["countries"][0]["country"], "BO");
  EXPECT_EQ(counts["suppressed"]["countries"], 2) << "Chile is hidden with Peru: what is left are nine people";
  for (const char* hidden : {"PE", "CL"})
    EXPECT_EQ(counts.dump().find(hidden), std::string::npos);
}

TEST_F(QualityRoutes, StatisticsAreOfPeopleAndNotOfFiles) {
  crowd(6, "CL");
  const std::string id = project(settings());
  add(id, items(5));
  const Json counts = get("/api/statistics").json;
  EXPECT_EQ(counts["days"][0]["conversations"], 18);
  EXPECT_EQ(counts["days"][0]["people"], 6) << "whoever brought the file took no part";
}

TEST_F(QualityRoutes, AgreementAndAnnotatorsOfAProject) {
  const auto id = project(settings(storage::ProjectKind::pairwise, 3));
  add(id, items(12));
  std::vector<Worker> workers{worker(), worker(), worker()};
  for (size_t w = 0; w < workers.size(); ++w) {
    for (int i = 0; i < 12; ++i) {
      const auto task = next(id, workers[w]).task;
      ASSERT_TRUE(task);
      // The third one disagrees about some items, told by the item's id so that everybody's order is the same.
      const int grade = task->item_id.back() % 2 == 0 ? 2 : -2;
      hand_in(about_items(*task, workers[w], w == 2 && task->item_id.back() % 4 == 0 ? -grade : grade));
    }
  }
  const std::string reviewer = token(Role::reviewer);
  const Answer agreement = get(cat("/api/projects/", id, "/agreement"), reviewer);
  ASSERT_EQ(agreement.status, 200) << agreement.json;
  const Json& verdicts = agreement.json["groups"][0];
  EXPECT_EQ(verdicts["aspect"], "");
  EXPECT_EQ(verdicts["units"], 12);
  EXPECT_EQ(verdicts["values"], 36);
  EXPECT_EQ(verdicts["annotators"], 3);
  EXPECT_TRUE(verdicts.contains("fleiss"));
  for (const char* scale : {"nominal", "ordinal", "interval"})
    EXPECT_TRUE(verdicts[scale].contains("state"));
  const Json filtered = get(cat("/api/projects/", id, "/agreement?aspect=verdict_class"), reviewer).json;
  ASSERT_EQ(filtered["groups"].size(), 1u);
  const Answer annotators = get(cat("/api/projects/", id, "/annotators"), token(Role::auditor));
  ASSERT_EQ(annotators.status, 200) << annotators.json;
  ASSERT_EQ(annotators.json["annotators"].size(), 3u);
  EXPECT_EQ(annotators.json["annotators"][0]["submitted"], 12);
  EXPECT_TRUE(annotators.json["annotators"][0]["gold"].contains("passed"));
  // The annotator's own view of the same.
  const std::string own =
      db.transaction([&](Transaction& t) { return token_of(t, workers[0].account_id, storage::kPublicWorkspace); });
  const Answer dashboard = get("/api/me/dashboard", own);
  ASSERT_EQ(dashboard.status, 200) << dashboard.json;
  EXPECT_EQ(dashboard.json["votes"]["count"], 12) << "submissions on pairs are votes";
  ASSERT_EQ(dashboard.json["projects"].size(), 1u);
  EXPECT_EQ(dashboard.json["projects"][0]["project"], id);
  EXPECT_FALSE(dashboard.json["projects"][0].contains("warnings"));
}

TEST_F(QualityRoutes, RatingsAndFlagsHaveAgreementByAspect) {
  const auto id = project(settings(storage::ProjectKind::rating, 2));
  add(id, items(6, 1));
  for (int w = 0; w < 2; ++w) {
    const Worker one = worker();
    for (int i = 0; i < 6; ++i) {
      const auto task = next(id, one).task;
      ASSERT_TRUE(task);
      auto s = graded(*task, one, 0);
      s.verdict = {};
      const int value = 1 + task->item_id.back() % 5;
      s.verdict.ratings = {{0, storage::Aspect::helpful, value},
                           {0, storage::Aspect::dialect, w == 0 ? value : 6 - value}};
      hand_in(s);
    }
  }
  const Json groups = get(cat("/api/projects/", id, "/agreement"), token(Role::engineer)).json["groups"];
  ASSERT_EQ(groups.size(), 2u) << groups;
  EXPECT_EQ(groups[0]["aspect"], "dialect");
  EXPECT_EQ(groups[1]["aspect"], "helpful");
  EXPECT_EQ(groups[1]["units"], 6);
  // Six random ids may all end alike: then agreement is unanimous.
  EXPECT_EQ(groups[1]["interval"].value("value", 1.0), 1.0);
  EXPECT_LT(groups[0]["interval"].value("value", -1.0), 1.0);
}

TEST_F(QualityRoutes, SomebodyElsesProjectIsNotFoundAndRolesAreKept) {
  const auto id = project(settings());
  const auto other = db.transaction([&](Transaction& t) { return storage::ensure_workspace(t, "otra casa").id; });
  const std::string stranger = token(Role::admin, other);
  for (const char* what : {"agreement", "annotators"}) {
    const std::string path = cat("/api/projects/", id, "/", what);
    EXPECT_EQ(get(path, stranger).status, 404) << what;
    EXPECT_EQ(get(path, token(Role::annotator)).status, 403) << what;
    EXPECT_EQ(get(path).status, 401) << what;
    EXPECT_EQ(get(path, token(Role::auditor)).status, 200) << what;
    EXPECT_EQ(get(cat("/api/projects/", new_uuid(), "/", what), token(Role::reviewer)).status, 404);
    EXPECT_EQ(get(cat("/api/projects/nada/", what), token(Role::reviewer)).status, 404);
  }
  EXPECT_EQ(get("/api/me/dashboard").status, 401);
  EXPECT_EQ(get("/api/me/dashboard", token(Role::auditor)).status, 403);
}

}  // namespace
}  // namespace afina::collector
