// SPDX-License-Identifier: Apache-2.0
// What the proxy's clients read: chunks and whole completions in OpenAI's form. Of a blind comparison nothing of the
// upstream's own words about itself gets through.
#pragma once
#include <string>

#include "base/json.h"
#include "collector/proxy/assembler.h"

namespace afina::collector {

/// What every object of one completion carries.
struct CompletionHead {
  std::string id, model, conversation_id;
  int64_t created = 0;
  bool arena = false;
};

/// The upstream's chunk as the client gets it; null where there is nothing for the client in it (a usage chunk).
/// first: carries our extension object {"afina": {"conversation_id", "arena"}}. usage_null: usage: null on each.
Json client_chunk(const CompletionHead& head, const Json& chunk, bool first, bool usage_null);
/// The chunk that tells the usage: choices is empty.
Json usage_chunk(const CompletionHead& head, const Json& usage);
Json whole_completion(const CompletionHead& head, const Assembler& said);

}  // namespace afina::collector
