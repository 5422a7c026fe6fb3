// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/details_wire.h"

#include <algorithm>

#include "base/cat.h"
#include "collector/body_entry.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxRatings = 26 * 7, kMaxFlags = 26 * 3, kMaxSpans = 100, kMaxWordBytes = 40;
constexpr int64_t kMaxPosition = 10'000'000;

std::string side_of(const BodyEntry& entry, const std::vector<std::string>& sides) {
  std::string side = entry.text("side", kMaxWordBytes);
  if (std::find(sides.begin(), sides.end(), side) == sides.end()) {
    bad_field(cat(entry.where(), ".side"), "one that was shown");
  }
  return side;
}

const Json& list_of(const Body& body, const char* name, size_t max_entries) {
  static const Json kNone = Json::array();
  if (!body.has(name)) return kNone;
  const Json& list = body.at(name);
  if (!list.is_array() || list.size() > max_entries) bad_field(name, cat("a list of at most ", max_entries));
  return list;
}

const std::string* side_of(const std::map<std::string, std::string>& answer_of_side, const std::string& answer) {
  for (const auto& [side, id] : answer_of_side) {
    if (id == answer) return &side;
  }
  return nullptr;
}

}  // namespace

storage::JudgementDetails read_details(const Body& body, const std::vector<std::string>& sides) {
  storage::JudgementDetails details;
  const auto where = [](const char* list, size_t i) { return cat(list, "[", i, "]"); };
  const Json& aspects = list_of(body, "aspects", kMaxRatings);
  for (size_t i = 0; i < aspects.size(); ++i) {
    const BodyEntry entry(aspects[i], where("aspects", i), {"side", "aspect", "value"});
    storage::AspectRating rating;
    rating.generation_id = side_of(entry, sides);
    if (!from_string(entry.text("aspect", kMaxWordBytes), rating.aspect))
      bad_field(entry.where() + ".aspect", "a known one");
    rating.value = static_cast<int>(entry.whole("value", 1, 5));
    details.aspects.push_back(std::move(rating));
  }
  const Json& flags = list_of(body, "flags", kMaxFlags);
  for (size_t i = 0; i < flags.size(); ++i) {
    const BodyEntry entry(flags[i], where("flags", i), {"side", "kind", "note"});
    storage::Flag flag;
    flag.generation_id = side_of(entry, sides);
    if (!from_string(entry.text("kind", kMaxWordBytes), flag.kind)) bad_field(entry.where() + ".kind", "a known one");
    flag.note = entry.text("note", kMaxDetailNoteBytes, false);
    details.flags.push_back(std::move(flag));
  }
  const Json& spans = list_of(body, "spans", kMaxSpans);
  for (size_t i = 0; i < spans.size(); ++i) {
    const BodyEntry entry(spans[i], where("spans", i), {"side", "start", "end", "kind", "text"});
    storage::SpanNote span;
    span.generation_id = side_of(entry, sides);
    span.start = entry.whole("start", 0, kMaxPosition);
    span.end = entry.whole("end", span.start + 1, kMaxPosition);
    span.kind = entry.text("kind", kMaxWordBytes);
    span.text = entry.text("text", kMaxDetailNoteBytes, false);
    details.spans.push_back(std::move(span));
  }
  details.reason_language = body.text_or("reason_language", 35, "");
  try {
    storage::check_details(details);
  } catch (const DataError& error) {
    throw refusal(400, "bad_request", error.what());
  }
  return details;
}

void name_answers(storage::JudgementDetails& details, const std::map<std::string, std::string>& answer_of_side) {
  const auto name = [&](std::string& id) {
    const auto found = answer_of_side.find(id);
    if (found == answer_of_side.end()) bad_field("side", "one that was shown");
    id = found->second;
  };
  for (auto& rating : details.aspects)
    name(rating.generation_id);
  for (auto& flag : details.flags)
    name(flag.generation_id);
  for (auto& span : details.spans)
    name(span.generation_id);
}

Json details_json(const storage::JudgementDetails& details, const std::map<std::string, std::string>& answer_of_side) {
  Json json{{"aspects", Json::array()}, {"flags", Json::array()}, {"spans", Json::array()}};
  for (const auto& rating : details.aspects) {
    if (const auto* side = side_of(answer_of_side, rating.generation_id)) {
      json["aspects"].push_back({{"side", *side}, {"aspect", to_string(rating.aspect)}, {"value", rating.value}});
    }
  }
  for (const auto& flag : details.flags) {
    if (const auto* side = side_of(answer_of_side, flag.generation_id)) {
      json["flags"].push_back({{"side", *side}, {"kind", to_string(flag.kind)}, {"note", flag.note}});
    }
  }
  for (const auto& span : details.spans) {
    if (const auto* side = side_of(answer_of_side, span.generation_id)) {
      json["spans"].push_back(
          {{"side", *side}, {"start", span.start}, {"end", span.end}, {"kind", span.kind}, {"text", span.text}});
    }
  }
  json["reason_language"] = details.reason_language;
  return json;
}

}  // namespace afina::collector
