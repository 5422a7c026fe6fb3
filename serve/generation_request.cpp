// SPDX-License-Identifier: Apache-2.0
#include "serve/generation_request.h"

#include <charconv>

#include "base/cat.h"
#include "serve/request_fields.h"

namespace afina::serve {
namespace {

constexpr size_t kMaxStops = 16, kMaxStopBytes = 1024, kMaxBiases = 1024;

std::vector<std::string> stops_of(const OrderedJson& body) {
  const OrderedJson* stop = find_field(body, "stop");
  if (stop == nullptr) return {};
  if (!stop->is_string() && !stop->is_array())
    refuse("stop", "must be a text or a list of texts, but is not.", "invalid_type");
  const OrderedJson list = stop->is_array() ? *stop : OrderedJson::array({*stop});
  if (list.size() > kMaxStops) refuse("stop", cat("must be at most ", kMaxStops, " texts, but got ", list.size(), "."));
  std::vector<std::string> stops;
  for (const OrderedJson& item : list) {
    if (!item.is_string()) refuse("stop", "must be a text or a list of texts, but is not.", "invalid_type");
    stops.push_back(item.get<std::string>());
    if (stops.back().empty() || stops.back().size() > kMaxStopBytes)
      refuse("stop", cat("must be texts of 1 to ", kMaxStopBytes, " bytes, but one has ", stops.back().size(), "."));
  }
  return stops;
}

std::vector<std::pair<int, double>> biases_of(const OrderedJson& body, int vocab_size) {
  const OrderedJson* map = object_field(body, "logit_bias");
  std::vector<std::pair<int, double>> biases;
  if (map == nullptr) return biases;
  if (map->size() > kMaxBiases)
    refuse("logit_bias", cat("must have at most ", kMaxBiases, " tokens, but has ", map->size(), "."));
  for (const auto& [key, value] : map->items()) {
    int id = -1;
    const auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (fault != std::errc() || end != key.data() + key.size() || id < 0 || id >= vocab_size)
      refuse("logit_bias",
             cat("must have token ids of 0..", vocab_size - 1, " as keys, but got \"", key.substr(0, 32), "\"."));
    if (!value.is_number()) refuse("logit_bias", "must have numbers as values, but has others.", "invalid_type");
    const double bias = value.get<double>();
    if (!(bias >= -100 && bias <= 100)) refuse("logit_bias", cat("must have values of -100..100, but got ", bias, "."));
    biases.emplace_back(id, bias);
  }
  return biases;
}

}  // namespace

GenerationRequest parse_generation(const OrderedJson& body, const RequestLimits& limits) {
  if (!body.is_object()) refuse("body", "must be a JSON object, but is not.", "invalid_type");
  GenerationRequest request;
  const auto model = text_field(body, "model");
  if (!model || model->empty())
    refuse("model", "must be the name of a model, but is missing.", "missing_required_parameter");
  request.model = *model;
  model::SamplingParams& params = request.params;
  params.temperature = number_field(body, "temperature", 0, 2).value_or(1);
  params.top_p = number_field(body, "top_p", 0, 1).value_or(1);
  if (params.top_p == 0) refuse("top_p", "must be above 0 and at most 1, but got 0.");
  params.top_k = static_cast<int>(integer_field(body, "top_k", 0, std::numeric_limits<int>::max()).value_or(0));
  params.frequency_penalty = number_field(body, "frequency_penalty", -2, 2).value_or(0);
  params.presence_penalty = number_field(body, "presence_penalty", -2, 2).value_or(0);
  params.logit_bias = biases_of(body, limits.vocab_size);
  constexpr auto kWhole = std::numeric_limits<int64_t>{};
  if (const auto seed = integer_field(body, "seed", kWhole.min(), kWhole.max()))
    request.seed = static_cast<uint64_t>(*seed);
  request.n = static_cast<int>(integer_field(body, "n", 1, limits.max_choices).value_or(1));
  request.stops = stops_of(body);
  request.stream = flag_field(body, "stream").value_or(false);
  if (const OrderedJson* options = object_field(body, "stream_options")) {
    if (!request.stream) refuse("stream_options", "must be absent without \"stream\": true, but is set.");
    request.include_usage = flag_field(*options, "include_usage").value_or(false);
  }
  return request;
}

}  // namespace afina::serve
