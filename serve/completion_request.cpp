// SPDX-License-Identifier: Apache-2.0
#include "serve/completion_request.h"

#include <algorithm>

#include "base/cat.h"
#include "serve/request_fields.h"

namespace afina::serve {
namespace {

bool is_ids(const OrderedJson& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const OrderedJson& id) { return id.is_number_integer(); });
}

std::vector<int> ids_of(const OrderedJson& list, int vocab_size) {
  std::vector<int> ids;
  ids.reserve(list.size());
  for (const OrderedJson& item : list) {
    const bool fits = item.is_number_unsigned() && item.get<uint64_t>() < static_cast<uint64_t>(vocab_size);
    if (!fits) refuse("prompt", cat("must have token ids of 0..", vocab_size - 1, ", but has others."));
    ids.push_back(item.get<int>());
  }
  return ids;
}

void read_prompts(const OrderedJson& body, const RequestLimits& limits, CompletionRequest& request) {
  const OrderedJson* prompt = find_field(body, "prompt");
  if (prompt == nullptr)
    refuse("prompt", "must be a text, a list of ids, or a list of those, but is missing.",
           "missing_required_parameter");
  const OrderedJson list = prompt->is_string() || is_ids(*prompt) ? OrderedJson::array({*prompt}) : *prompt;
  if (!list.is_array() || list.empty())
    refuse("prompt", "must be a text, a list of ids, or a list of those, but is not.", "invalid_type");
  if (list.size() * static_cast<size_t>(request.n) > static_cast<size_t>(limits.max_jobs))
    refuse("prompt", cat("must be at most ", limits.max_jobs, " texts times n, but got ", list.size(), " times ",
                         request.n, "."));
  for (const OrderedJson& item : list) {
    if (item.is_string()) {
      request.prompts.emplace_back(item.get<std::string>());
    } else if (is_ids(item)) {
      request.prompts.emplace_back(ids_of(item, limits.vocab_size));
    } else {
      refuse("prompt", "must be a text, a list of ids, or a list of those, but is not.", "invalid_type");
    }
    if (request.prompts.back().index() != request.prompts.front().index())
      refuse("prompt", "must be texts or ids, but mixes them.", "invalid_type");
  }
}

void refuse_unoffered(const OrderedJson& body, int n) {
  if (const auto best_of = integer_field(body, "best_of", 1, 1'000'000); best_of && *best_of != n)
    refuse_unsupported("best_of", cat("must be n (", n, ") here, but got ", *best_of, ": it is not offered."));
  if (const auto suffix = text_field(body, "suffix"); suffix && !suffix->empty())
    refuse_unsupported("suffix", "must be empty here: it is not offered.");
}

}  // namespace

CompletionRequest parse_completion_request(const OrderedJson& body, const RequestLimits& limits) {
  CompletionRequest request;
  static_cast<GenerationRequest&>(request) = parse_generation(body, limits);
  read_prompts(body, limits, request);
  refuse_unoffered(body, request.n);
  request.echo = flag_field(body, "echo").value_or(false);
  const int64_t tokens = integer_field(body, "max_tokens", request.echo ? 0 : 1, std::numeric_limits<int>::max())
                             .value_or(limits.default_completion_tokens);
  request.score_only = tokens == 0;
  request.params.max_new_tokens = std::max(1, static_cast<int>(tokens));
  if (const auto top = integer_field(body, "logprobs", 0, 5)) {
    request.logprobs = static_cast<int>(*top);
    request.params.top_logprobs = *request.logprobs;
    request.params.prompt_logprobs = request.echo;
  }
  if (const OrderedJson* own = object_field(body, "afina")) {
    request.parse_special = flag_field(*own, "parse_special").value_or(false);
    request.add_special = flag_field(*own, "add_special").value_or(true);
  }
  return request;
}

}  // namespace afina::serve
