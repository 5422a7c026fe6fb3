// SPDX-License-Identifier: Apache-2.0
// What a project was brought is for its annotators: the public judges people's own pairs only.
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

class PublicPairs : public TaskWorld {
 protected:
  std::vector<Pair> offered(const std::string& visitor_id) {
    return db.read([&](Transaction& t) { return pairs_to_judge(t, visitor_id, kPublicWorkspace, 10); });
  }
};

TEST_F(PublicPairs, items_of_a_project_and_known_answers_are_never_offered_to_strangers) {
  const std::string project_id = project(settings());
  auto brought = items(3);
  brought[1].gold = Json{{"outcome", 2}};
  brought[2].gold = Json{{"outcome", -1}};
  brought[2].training = true;
  add(project_id, brought);
  const Person stranger = db.transaction([](Transaction& t) { return make_person(t, {"train", "review"}); });
  ASSERT_EQ(count("count(*) FROM pair"), 3) << "each item is a pair";
  EXPECT_TRUE(offered(stranger.visitor_id).empty());
}

// The control: what people asked themselves is offered, also while a project has it among its work.
TEST_F(PublicPairs, peoples_own_pairs_are_offered_also_while_a_project_works_on_them) {
  const auto [owner, stranger, pair] = db.transaction([](Transaction& t) {
    const Person ana = make_person(t, {"train", "review"}), luis = make_person(t, {"train", "review"});
    return std::tuple{ana, luis, make_pair_for(t, ana).pair};
  });
  const std::string project_id = project(settings());
  db.transaction([&](Transaction& t) {
    return add_items_from_conversations(t, {project_id, kPublicWorkspace, boss.account_id, "k", sha256_hex("")}, "",
                                        10);
  });
  ASSERT_EQ(count("count(*) FROM item"), 1);
  const auto pairs = offered(stranger.visitor_id);
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_EQ(pairs[0].id, pair.id);
}

}  // namespace
}  // namespace afina::storage
