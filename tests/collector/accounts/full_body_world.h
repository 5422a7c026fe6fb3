// SPDX-License-Identifier: Apache-2.0
// Every route with everything its body may hold, called by the role afina_web with row-level security, as in
// production.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/collector/accounts/members_world.h"

namespace afina::collector {

inline const Json kNothing = Json::object();
inline const Json kDetails{{"aspects", {{{"side", "a"}, {"aspect", "dialect"}, {"value", 4}}}},
                           {"flags", {{{"side", "b"}, {"kind", "toxic"}, {"note", "brusco"}}}},
                           {"spans", {{{"side", "a"}, {"start", 0}, {"end", 2}, {"kind", "good"}, {"text", "claro"}}}},
                           {"reason", "más claro"},
                           {"reason_language", "es-CL"}};

inline Json with(Json body, const Json& more) {
  body.update(more);
  return body;
}

inline Json on_one_side(Json details, const Json& side) {
  for (const char* kind : {"aspects", "flags", "spans"}) {
    for (Json& entry : details[kind]) {
      entry.erase("side");
      if (!side.is_null()) entry["side"] = side;
    }
  }
  return details;
}

/// An example of every route, made by add_*.
class FullBodyTest : public MembersWorld {
 protected:
  using Example = std::function<Reply()>;

  void SetUp() override {
    CollectorConfig config;
    config.webhook_allow_private = true;
    start_as_web(config);
    place_ = workspace("Universidad");
    admin_ = member(storage::Role::admin, place_);
    ana_ = member(storage::Role::annotator, place_);
    program_ = token_of(admin_, {"proxy", "data", "read"}, place_);
    add_people();
    add_accounts();
    add_conversations();
    add_judgements();
    add_tasks();
    add_events();
    add_files();
    add_proxy();
  }

  void read(const std::string& pattern, const std::string& path = "") {
    examples_["GET " + pattern] = [this, path = path.empty() ? pattern : path] { return get(admin_, path); };
  }
  void write(const std::string& pattern, Example example) { examples_["POST " + pattern] = std::move(example); }

  std::string id_of(const Reply& reply) const {
    EXPECT_TRUE(reply.status < 300 && reply.json.contains("id")) << reply.status << reply.json;
    return reply.json.value("id", "");
  }
  std::string chat(const Credentials& who) {
    return id_of(post(who, "/api/conversations", {{"locale", "es"}, {"mode", "chat"}}));
  }
  /// The turn of one message.
  Json turn(const Credentials& who, const std::string& conversation, int answers) {
    return post(who, cat("/api/conversations/", conversation, "/messages"), {{"text", "¿Pan?"}, {"answers", answers}})
        .event("done");
  }
  std::string exposure(const Credentials& who) { return turn(who, chat(who), 2).at("exposure"); }
  std::string vote(const Credentials& who, const std::string& shown) {
    return id_of(post(who, "/api/votes", {{"exposure", shown}, {"outcome", 1}}));
  }

  void add_people();
  void add_accounts();
  void add_conversations();
  void add_judgements();
  void add_tasks();
  void add_events();
  void add_files();
  void add_proxy();

  std::string project(const std::string& name);
  std::string assignment();
  Reply full_project(const std::string& name);
  Reply full_items(const std::string& project_id);
  Reply decisions();

  /// What went wrong, one line a route.
  std::vector<std::string> failures() {
    std::vector<std::string> out;
    for (const RouteSpec& spec : collector_->routes()) {
      const std::string key = cat(spec.method, " ", spec.pattern);
      const auto example = examples_.find(key);
      if (example == examples_.end()) {
        out.push_back(cat(key, " has no example"));
        continue;
      }
      const Reply reply = example->second();
      if (reply.status < 200 || reply.status > 299) out.push_back(cat(key, ": ", reply.status, " ", reply.json.dump()));
    }
    return out;
  }

  std::string place_;
  Credentials admin_, ana_, program_;
  std::map<std::string, Example> examples_;
};

}  // namespace afina::collector
