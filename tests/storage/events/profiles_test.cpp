// SPDX-License-Identifier: Apache-2.0
// What people say about themselves: optional, theirs to change, gone when they withdraw.
#include "storage/events/profiles.h"

#include <gtest/gtest.h>

#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

struct Profiles : testing::Test {
  template <typename F>
  auto in(F&& fn) {
    return database.db().transaction(std::forward<F>(fn));
  }
  TestDatabase database;
};

TEST_F(Profiles, AreEmptyUntilSomebodyTellsAndKeepEveryWordAsItWasTold) {
  const Person person = in([](Transaction& t) { return make_person(t); });
  EXPECT_TRUE(in([&](Transaction& t) { return get_profile(t, person.visitor_id); }).empty());
  const Profile told{"CL", {"arn", "es-CL"}, "mapuzugun del Budi, ñ", "35-44", {}};
  const Profile kept = in([&](Transaction& t) { return put_profile(t, person.visitor_id, told); });
  EXPECT_EQ(kept.country, "CL");
  EXPECT_EQ(kept.languages, told.languages);
  EXPECT_EQ(kept.dialect, told.dialect);
  EXPECT_EQ(kept.age_band, "35-44");
  EXPECT_TRUE(kept.updated_at);
}

TEST_F(Profiles, AreOverwrittenWholeAndClearedByAnEmptyOne) {
  const Person person = in([](Transaction& t) { return make_person(t); });
  in([&](Transaction& t) { return put_profile(t, person.visitor_id, {"PE", {"qu"}, "", "", {}}); });
  const Profile second = in([&](Transaction& t) {
    return put_profile(t, person.visitor_id, {"", {"ay"}, "", "", {}});
  });
  EXPECT_EQ(second.country, "");
  EXPECT_EQ(second.languages, std::vector<std::string>{"ay"});
  EXPECT_TRUE(in([&](Transaction& t) { return put_profile(t, person.visitor_id, {}); }).empty());
  EXPECT_EQ(in([](Transaction& t) { return t.exec("SELECT count(*) AS n FROM annotator_profile").one().integer("n"); }),
            0);
}

TEST_F(Profiles, RefuseWhatIsOutOfForm) {
  const Person person = in([](Transaction& t) { return make_person(t); });
  for (const Profile& bad :
       {Profile{"chile", {}, "", "", {}}, Profile{"cl", {}, "", "", {}}, Profile{"", {"e"}, "", "", {}},
        Profile{"", {"es--CL"}, "", "", {}}, Profile{"", {"es CL"}, "", "", {}},
        Profile{"", {}, std::string(65, 'a'), "", {}}, Profile{"", {}, "", "35", {}},
        Profile{"", std::vector<std::string>(17, "es"), "", "", {}}}) {
    EXPECT_THROW(in([&](Transaction& t) { return put_profile(t, person.visitor_id, bad); }), DataError);
  }
  EXPECT_THROW(in([&](Transaction& t) { return put_profile(t, new_uuid(), {"CL", {}, "", "", {}}); }), NotFound);
}

TEST_F(Profiles, AreGoneWithTheWithdrawalAndCannotBeToldAfterIt) {
  const Person person = in([](Transaction& t) { return make_person(t); });
  const Person other = in([](Transaction& t) { return make_person(t); });
  for (const Person& one : {person, other})
    in([&](Transaction& t) { return put_profile(t, one.visitor_id, {"BO", {"ay"}, "", "65+", {}}); });
  in([&](Transaction& t) { withdraw(t, person.receipt); });
  EXPECT_TRUE(in([&](Transaction& t) { return get_profile(t, person.visitor_id); }).empty());
  EXPECT_FALSE(in([&](Transaction& t) { return get_profile(t, other.visitor_id); }).empty());
  EXPECT_THROW(in([&](Transaction& t) { return put_profile(t, person.visitor_id, {"BO", {}, "", "", {}}); }), NotFound);
}

}  // namespace
}  // namespace afina::storage
