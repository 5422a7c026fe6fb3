// SPDX-License-Identifier: Apache-2.0
// Every route with everything its body may hold, by the role afina_web with row-level security, as in production: what
// works for an owner and lacks a grant or a policy fails here. A route without an example fails the test.
#include <algorithm>
#include <set>

#include "tests/collector/accounts/full_body_world.h"

namespace afina::collector {
namespace {

TEST_F(FullBodyTest, EveryRouteDoesItsWorkAsTheRoleOfTheWeb) {
  for (const std::string& failure : failures())
    ADD_FAILURE() << failure;
  std::set<std::string> known;
  for (const RouteSpec& spec : collector_->routes())
    known.insert(cat(spec.method, " ", spec.pattern));
  for (const auto& [key, example] : examples_)
    EXPECT_TRUE(known.contains(key)) << key << " is no route any more";
}

// The control: whatever is taken from the role is seen.
TEST_F(FullBodyTest, AGrantThatIsMissingIsSeen) {
  for (const char* grant :
       {"UPDATE (project_id) ON membership", "INSERT ON adjudication", "UPDATE ON webhook", "INSERT ON import"}) {
    as_owner([&](storage::Transaction& t) { t.script(cat("REVOKE ", grant, " FROM afina_web")); });
  }
  const auto broken = failures();
  const auto names = [&](const std::string& key) {
    return std::ranges::any_of(broken, [&](const std::string& line) { return line.starts_with(key); });
  };
  EXPECT_TRUE(names("POST /api/accounts/{id}"));
  EXPECT_TRUE(names("POST /api/items/{id}/adjudicate"));
  EXPECT_TRUE(names("POST /api/webhooks/{id}/disable"));
  EXPECT_TRUE(names("POST /api/imports"));
  EXPECT_FALSE(names("POST /api/votes:"));
}

}  // namespace
}  // namespace afina::collector
