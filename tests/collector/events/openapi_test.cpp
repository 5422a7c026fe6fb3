// SPDX-License-Identifier: Apache-2.0
// The document knows every route, and nothing that is none.
#include "collector/events/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/collector/world.h"

namespace afina::collector {
namespace {

void collect_refs(const Json& json, std::set<std::string>& refs) {
  if (json.is_object() && json.contains("$ref")) refs.insert(json["$ref"]);
  for (const Json& child : json) {
    if (child.is_structured()) collect_refs(child, refs);
  }
}

struct OpenApi : World {};

TEST_F(OpenApi, DescribesEveryRouteAndNothingThatIsNone) {
  start({"good"});
  const auto gaps = openapi_gaps(collector_->routes());
  for (const std::string& gap : gaps)
    ADD_FAILURE() << gap;
}

TEST_F(OpenApi, IsServedToEverybodyWithSecurityOfEachRoute) {
  start({"good"});
  const Reply reply = somebody().get("/api/openapi.json");
  ASSERT_EQ(reply.status, 200);
  const Json& document = reply.json;
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_EQ(document["paths"]["/api/webhooks"]["post"]["x-roles"], Json::array({"admin"}));
  EXPECT_EQ(document["paths"]["/v1/models"]["get"]["security"], Json::parse(R"([{"api_token":["proxy"]}])"));
  EXPECT_TRUE(document["paths"]["/api/openapi.json"]["get"]["security"].dump().find("{}") != std::string::npos);
  EXPECT_EQ(document["paths"]["/api/votes"]["post"]["parameters"][0]["name"], "Idempotency-Key");
  const Json& account = document["components"]["securitySchemes"]["account_cookie"];
  EXPECT_NE(account["description"].dump().find("__Host-afina-account"), std::string::npos) << "behind TLS";
  std::set<std::string> ids;
  for (const Json& path : document["paths"]) {
    for (const Json& operation : path)
      EXPECT_TRUE(ids.insert(operation["operationId"]).second) << operation["operationId"];
  }
}

TEST_F(OpenApi, RefersToSchemasThatAreThere) {
  start({"good"});
  const Json document = openapi_document(collector_->routes());
  std::set<std::string> refs;
  collect_refs(document, refs);
  EXPECT_GT(refs.size(), 10U);
  for (const std::string& ref : refs)
    EXPECT_NO_THROW(document.at(Json::json_pointer(ref.substr(1)))) << ref;
}

TEST(OpenApiGaps, AreFoundInBothDirections) {
  const auto gaps = openapi_gaps({RouteSpec{.method = "GET", .pattern = "/api/invented", .access = kEverybody}});
  EXPECT_EQ(std::ranges::count(gaps, "GET /api/invented has no entry in collector/events/openapi"), 1);
  EXPECT_EQ(std::ranges::count(gaps, "POST /api/votes is described, but is no route"), 1);
}

}  // namespace
}  // namespace afina::collector
