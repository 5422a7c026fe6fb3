// SPDX-License-Identifier: Apache-2.0
#include "collector/generations.h"

#include <algorithm>

#include "base/error.h"
#include "base/uuid.h"
#include "storage/adapters.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxIds = 200'000;
constexpr int64_t kMaxId = 10'000'000;

std::optional<std::vector<int>> ids_of(const Json& afina, const char* key) {
  const auto found = afina.find(key);
  if (found == afina.end() || !found->is_array() || found->empty() || found->size() > kMaxIds) return std::nullopt;
  std::vector<int> ids;
  ids.reserve(found->size());
  for (const Json& id : *found) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > kMaxId) return std::nullopt;
    ids.push_back(id.get<int>());
  }
  return ids;
}

std::string text_of(const Json& afina, const char* key) {
  const auto found = afina.find(key);
  return found != afina.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string hash_of(const Json& afina, const char* key) {
  const std::string text = text_of(afina, key);
  const bool is_hash = text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                       });
  return is_hash ? text : "";
}

}  // namespace

storage::Generation to_generation(const Completion& completion, const Upstream& upstream, uint32_t seed) {
  storage::Generation generation;
  generation.model = upstream.config().model;
  generation.upstream = upstream.config().name;
  generation.params = upstream.sampling(seed);
  generation.seed = seed;
  generation.text = completion.text;
  generation.error = completion.error;
  if (completion.finish_reason == "stop" || completion.finish_reason == "length") {
    generation.finish_reason = completion.finish_reason;
  }
  if (!completion.error.empty()) generation.finish_reason = completion.error == "interrupted" ? "cancelled" : "error";
  generation.prompt_tokens = completion.prompt_tokens;
  generation.completion_tokens = completion.completion_tokens;
  generation.first_token_ms = completion.first_piece_ms;
  generation.total_ms = completion.total_ms;
  if (completion.afina.is_object()) {
    generation.prompt_ids = ids_of(completion.afina, "prompt_ids");
    generation.completion_ids = ids_of(completion.afina, "completion_ids");
    generation.template_sha256 = hash_of(completion.afina, "template_sha256");
    generation.base_sha256 = hash_of(completion.afina, "base_sha256");
    const std::string adapter = text_of(completion.afina, "adapter_id");
    if (is_uuid(adapter)) generation.adapter_id = adapter;
  }
  return generation;
}

std::string known_adapter(storage::Transaction& t, const std::string& adapter_id) {
  if (adapter_id.empty()) return "";
  try {
    return storage::get_adapter(t, adapter_id).id;
  } catch (const NotFound&) {
    return "";  // a server of another database: its ids mean nothing here
  }
}

}  // namespace afina::collector
