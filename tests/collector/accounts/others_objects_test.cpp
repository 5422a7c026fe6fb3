// SPDX-License-Identifier: Apache-2.0
// Every route that names something, called with the name of something that is there and is somebody else's: it is as if
// it were not there, and nothing changes. A route with a {…} that is in neither list fails the test.
#include <algorithm>
#include <set>

#include "tests/collector/accounts/named_objects.h"

namespace afina::collector {
namespace {

class OthersObjectsTest : public NamedObjectsTest {
 protected:
  void expect_hidden(const RouteSpec& spec, const NamedObject& target, const Credentials& who,
                     const std::string& kind) {
    const int64_t before = rows();
    const Reply reply = call(who, spec.method, target.path, spec.method == "GET" ? Json() : target.body);
    EXPECT_EQ(reply.status, 404) << kind << ": " << spec.method << " " << spec.pattern << " " << reply.json;
    EXPECT_EQ(rows(), before) << kind << ": " << spec.method << " " << spec.pattern;
  }
};

TEST_F(OthersObjectsTest, AreNotThereForAnybodyElse) {
  const std::string elsewhere = workspace("Otra");
  // Names that are nobody's: languages, files and models of the site, and boards that are published to be cited.
  const std::set<std::string> public_names{"GET /api/consent/{locale}", "GET /api/leaderboards/{id}",
                                           "GET /api/exports/{file}", "GET /v1/models/{model}"};
  using enum storage::Role;
  for (const RouteSpec& spec : collector_->routes()) {
    const std::string key = cat(spec.method, " ", spec.pattern);
    if (spec.pattern.find('{') == std::string::npos || public_names.contains(key)) continue;
    const auto target = targets_.find(key);
    if (target == targets_.end()) {
      ADD_FAILURE() << key << " has nobody's object to try";
      continue;
    }
    if (spec.access.allows(Who::visitor)) expect_hidden(spec, target->second, visitor_credentials(), "visitor");
    for (const storage::Role role : {annotator, reviewer, engineer, admin, auditor}) {
      if (!spec.access.allows(who_of(role))) continue;
      expect_hidden(spec, target->second, member(role, elsewhere), cat(to_string(role), " elsewhere"));
      if (target->second.personal)
        expect_hidden(spec, target->second, member(role, place_), cat(to_string(role), " here"));
    }
  }
  for (const auto& target : targets_) {
    const bool there = std::ranges::any_of(collector_->routes(), [&](const RouteSpec& spec) {
      return cat(spec.method, " ", spec.pattern) == target.first;
    });
    EXPECT_TRUE(there) << target.first << " is no route any more";
  }
}

TEST_F(OthersObjectsTest, AreThereForTheirOwners) {
  // The control: the same calls by those who may. What ends or settles something comes last.
  const auto owner_of = [&](const NamedObject& target) { return target.personal ? ana_ : admin_; };
  const std::set<std::string> as_ana{"POST /api/projects/{id}/next"};
  std::vector<std::pair<std::string, NamedObject>> order(targets_.begin(), targets_.end());
  const auto ends = [](const std::string& key) {
    for (const char* act : {"/end", "/messages", "/revoke", "/disable", "/undo", "/submit", "/skip", "/adjudicate"}) {
      if (key.ends_with(act)) return act == std::string("/end") ? 2 : 1;
    }
    return key == "POST /api/accounts/{id}" || key == "POST /api/projects/{id}" ? 1 : 0;
  };
  std::ranges::stable_sort(order, {}, [&](const auto& one) { return ends(one.first); });
  for (const auto& [key, target] : order) {
    const std::string method = key.substr(0, key.find(' '));
    const Credentials who = as_ana.contains(key) ? ana_ : owner_of(target);
    const Reply reply = call(who, method, target.path, method == "GET" ? Json() : target.body);
    EXPECT_NE(reply.status, 404) << key << " " << reply.json;
    EXPECT_LT(reply.status, 500) << key << " " << reply.json;
  }
}

}  // namespace
}  // namespace afina::collector
