// SPDX-License-Identifier: Apache-2.0
// Every route that takes a JSON body, with bodies of a wrong form, by somebody who may call it and about something that
// is there: refused, told so, and nothing is written. New routes are in it as soon as they are in the table.
#include <set>

#include "tests/collector/accounts/named_objects.h"

namespace afina::collector {
namespace {

class BadBodiesTest : public NamedObjectsTest {
 protected:
  int send(const Credentials& who, const std::string& path, const std::string& body) {
    http::ClientOptions options;
    options.base_url = collector_->address();
    options.max_retries = 0;
    http::Headers headers = who.headers;
    headers.set("Idempotency-Key", new_uuid());
    return http::Client(options).request("POST", path, body, headers).status;
  }
  /// A field that the route knows, by the document that describes it.
  static std::string known_field(const Json& document, const std::string& pattern) {
    const Json schema = document.at("paths").at(pattern).at("post").value(
        "/requestBody/content/application~1json/schema"_json_pointer, Json::object());
    const Json fields = schema.value("properties", Json::object());
    return fields.empty() ? "x" : fields.begin().key();
  }
  static std::string levels(int count) {
    std::string text = "1";
    for (int i = 0; i < count; ++i)
      text = cat("{\"x\":", text, "}");
    return text;
  }
  /// A list of exactly that many bytes: well formed, and no object.
  static std::string list_of(size_t bytes) { return cat("[", std::string(bytes - 2, ' '), "]"); }

  Credentials who_may(const RouteSpec& spec, const std::string& key) {
    if (spec.pattern.starts_with("/v1/")) return program_;
    const auto target = targets_.find(key);
    return target != targets_.end() && target->second.personal ? ana_ : admin_;
  }
};

TEST_F(BadBodiesTest, AreRefusedAndChangeNothing) {
  const Json document = get(admin_, "/api/openapi.json").json;
  int tried = 0;
  for (const RouteSpec& spec : collector_->routes()) {
    if (spec.method == "GET" || !spec.json_only) continue;  // imports are files: a table of their own
    const std::string key = cat(spec.method, " ", spec.pattern), field = known_field(document, spec.pattern);
    const auto target = targets_.find(key);
    const std::string path = target == targets_.end() ? spec.pattern : target->second.path;
    const Credentials who = who_may(spec, key);
    const int64_t before = rows();
    const std::vector<std::pair<std::string, std::string>> bodies = {
        {"nothing", ""},
        {"no JSON", "hola"},
        {"a list", "[]"},
        {"a word", "\"hola\""},
        {"a number", "1"},
        {"null", "null"},
        {"a key twice", cat("{\"", field, "\":1,\"", field, "\":1}")},
        {"an unknown field", "{\"no_such_field\":1}"},
        {"17 levels", levels(17)},
        {"U+0000", cat("{\"", field, "\":\"a\\u0000b\"}")},
        {"half of UTF-8", cat("{\"", field, "\":\"\xc3\"}")},
        {"as much as it may hold", list_of(spec.max_body_bytes)}};
    for (const auto& [name, body] : bodies) {
      const int status = send(who, path, body);
      EXPECT_TRUE(status == 400 || status == 422) << key << ": " << name << " " << status;
    }
    EXPECT_EQ(send(who, path, list_of(spec.max_body_bytes + 1)), 413) << key << ": one byte more";
    EXPECT_EQ(rows(), before) << key;
    ++tried;
  }
  EXPECT_GT(tried, 30);
}

}  // namespace
}  // namespace afina::collector
