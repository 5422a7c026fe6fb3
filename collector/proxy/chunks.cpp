// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/chunks.h"

#include "collector/proxy/chat_request.h"

namespace afina::collector {
namespace {

Json extension(const CompletionHead& head) {
  return {{"conversation_id", head.conversation_id}, {"arena", head.arena}};
}

Json base_of(const CompletionHead& head, const char* object) {
  return {{"id", head.id}, {"object", object}, {"created", head.created}, {"model", head.model}};
}

/// Words and the end only: what else a model says may name it.
Json blind_choices(const Json& choices) {
  Json kept = Json::array();
  for (const Json& choice : choices) {
    if (!choice.is_object() || choice.value("index", Json(0)) != Json(0)) continue;
    Json delta = Json::object();
    const Json said = choice.value("delta", Json::object());
    for (const char* key : {"role", "content", "refusal"}) {
      if (said.is_object() && said.contains(key)) delta[key] = said[key];
    }
    kept.push_back(
        {{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", choice.value("finish_reason", Json())}});
  }
  return kept;
}

Json usage_of(const CompletionHead& head, const Json& usage) {
  if (!usage.is_object()) return nullptr;
  if (!head.arena) return usage;
  Json kept = Json::object();
  for (const char* key : {"prompt_tokens", "completion_tokens", "total_tokens"}) {
    if (usage.contains(key)) kept[key] = usage[key];
  }
  return kept;
}

}  // namespace

Json client_chunk(const CompletionHead& head, const Json& chunk, bool first, bool usage_null) {
  const auto found = chunk.find("choices");
  if (found == chunk.end() || !found->is_array() || found->empty()) return nullptr;
  Json out = head.arena ? Json::object() : chunk;
  out.update(base_of(head, "chat.completion.chunk"));
  if (head.arena) out["choices"] = blind_choices(*found);
  if (out["choices"].empty()) return nullptr;
  out.erase("usage");
  if (usage_null) out["usage"] = nullptr;
  if (first) {
    if (!out["afina"].is_object()) out["afina"] = Json::object();
    out["afina"].update(extension(head));
    Json& delta = out["choices"][0]["delta"];
    if (delta.is_object() && !delta.contains("role")) delta["role"] = "assistant";
  } else if (head.arena) {
    out.erase("afina");
  }
  return out;
}

Json usage_chunk(const CompletionHead& head, const Json& usage) {
  Json out = base_of(head, "chat.completion.chunk");
  out["choices"] = Json::array();
  out["usage"] = usage_of(head, usage);
  return out;
}

Json whole_completion(const CompletionHead& head, const Assembler& said) {
  Json out = base_of(head, "chat.completion");
  out["choices"] = said.choices();
  if (head.arena) {
    Json& choice = out["choices"][0];
    Json message{{"role", "assistant"}, {"refusal", nullptr}};
    for (const char* key : {"content", "refusal"}) {
      if (choice["message"].contains(key)) message[key] = choice["message"][key];
    }
    choice["message"] = std::move(message);
    choice["logprobs"] = nullptr;
  }
  if (const Json usage = usage_of(head, said.usage()); !usage.is_null()) out["usage"] = usage;
  out["afina"] = !head.arena && said.afina().is_object() ? said.afina() : Json::object();
  out["afina"].update(extension(head));
  return out;
}

}  // namespace afina::collector
