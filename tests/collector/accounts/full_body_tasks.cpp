// SPDX-License-Identifier: Apache-2.0
// Examples of the routes about projects and tasks.
#include "tests/collector/accounts/full_body_world.h"

namespace afina::collector {

Reply FullBodyTest::full_project(const std::string& name) {
  return post(admin_, "/api/projects",
              {{"name", name},
               {"kind", "pairwise"},
               {"locale", "es-CL"},
               {"guidelines", "# Elige\nLa más clara."},
               {"aspects", {"dialect", "clarity"}},
               {"flags", true},
               {"overlap", 2},
               {"lease_seconds", 600},
               {"gold_rate", 0.1},
               {"gold_pass", 0.5},
               {"training_items", 0},
               {"training_pass", 0.5},
               {"skip", "requeue_for_others"},
               {"max_per_annotator", 100}});
}

Reply FullBodyTest::full_items(const std::string& project_id) {
  const Json prompt{{{"role", "user"}, {"content", "¿Cómo se hace el pan?"}}};
  const Json answers{{{"text", "Con harina."}, {"model", "m1"}}, {{"text", "Con paciencia y harina."}}};
  const Json items{{{"external_id", "n1"}, {"prompt", prompt}, {"answers", answers}, {"priority", 3}},
                   {{"external_id", "n2"},
                    {"prompt", prompt},
                    {"answers", answers},
                    {"gold", {{"outcome", 2}}},
                    {"feedback", "La primera responde."}}};
  return post(admin_, cat("/api/projects/", project_id, "/items"), {{"items", items}});
}

std::string FullBodyTest::project(const std::string& name) {
  const std::string id = id_of(full_project(name));
  EXPECT_EQ(full_items(id).status, 201);
  return id;
}

std::string FullBodyTest::assignment() {
  const std::string id = project(cat("p", new_uuid()));
  return post(ana_, cat("/api/projects/", id, "/next")).json.at("task").at("assignment");
}

void FullBodyTest::add_tasks() {
  const std::string standing = project("lectura");
  read("/api/projects");
  read("/api/me/dashboard");
  examples_["GET /api/me/dashboard"] = [this] { return get(ana_, "/api/me/dashboard"); };
  for (const char* part : {"", "/items", "/disagreements", "/agreement", "/annotators"})
    read(cat("/api/projects/{id}", part), cat("/api/projects/", standing, part));
  write("/api/projects", [this] { return full_project("entero"); });
  write("/api/projects/{id}", [this] {
    return post(admin_, cat("/api/projects/", project("cambiado")),
                {{"state", "paused"}, {"guidelines", "Otra vez."}, {"overlap", 3}});
  });
  write("/api/projects/{id}/items", [this] { return full_items(id_of(full_project("cosas"))); });
  write("/api/projects/{id}/items/from", [this] {
    exposure(ana_);
    return post(admin_, cat("/api/projects/", project("de charlas"), "/items/from"),
                {{"source", "conversations"}, {"locale", "es"}, {"limit", 10}});
  });
  write("/api/projects/{id}/next", [this] {
    return post(ana_, cat("/api/projects/", project("trabajo"), "/next"), {{"ahead", false}});
  });
  write("/api/items/{id}/adjudicate", [this] { return decisions(); });
  const auto act = [this](const std::string& name, const Json& body) {
    write(cat("/api/assignments/{id}/", name),
          [this, name, body] { return post(ana_, cat("/api/assignments/", assignment(), "/", name), body); });
  };
  act("heartbeat", kNothing);
  act("draft", {{"rev", 0}, {"body", {{"reason", "a medias"}}}});
  act("skip", {{"reason", "no sé de esto"}});
  act("submit", with(kDetails, {{"outcome", 2},
                                {"aspects",
                                 {{{"side", "a"}, {"aspect", "dialect"}, {"value", 4}},
                                  {{"side", "b"}, {"aspect", "clarity"}, {"value", 2}}}},
                                {"rewrite", "Mejor así."},
                                {"confidence", 2},
                                {"shown", {{"layout", "stacked"}, {"width_px", 412}, {"height_px", 915}}},
                                {"ms_to_decide", 9000}}));
}

// Of each kind of verdict; the reply of the first that fails, or of the last.
Reply FullBodyTest::decisions() {
  const auto decide = [this](const std::string& project_id, const Json& verdict) {
    const Json items = get(admin_, cat("/api/projects/", project_id, "/items")).json.at("items");
    return post(admin_, cat("/api/items/", items.at(0).at("id").get<std::string>(), "/adjudicate"), verdict);
  };
  const auto of_kind = [this](const std::string& kind) {
    const std::string id =
        id_of(post(admin_, "/api/projects", {{"name", cat(kind, new_uuid())}, {"kind", kind}, {"guidelines", "Lee."}}));
    const Json item{{"prompt", {{{"role", "user"}, {"content", "¿Pan?"}}}}, {"answers", {{{"text", "Sí."}}}}};
    EXPECT_EQ(post(admin_, cat("/api/projects/", id, "/items"), {{"items", Json::array({item})}}).status, 201);
    return id;
  };
  Reply reply = decide(project(cat("parejas", new_uuid())), {{"outcome", -2}, {"note", "La segunda es más exacta."}});
  if (reply.status != 201) return reply;
  reply = decide(of_kind("flagging"), {{"flags", {{{"side", "only"}, {"kind", "toxic"}}}}, {"note", "Insulta."}});
  if (reply.status != 201) return reply;
  const std::string rewriting = of_kind("rewrite");
  const Json task = post(ana_, cat("/api/projects/", rewriting, "/next")).json.at("task");
  const Reply written = post(ana_, cat("/api/assignments/", task.at("assignment").get<std::string>(), "/submit"),
                             {{"rewrite", "Sí, hay pan."}});
  return decide(rewriting, {{"submission", id_of(written)}, {"note", "Dice más."}});
}

}  // namespace afina::collector
