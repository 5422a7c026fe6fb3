// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/details_wire.h"

#include <algorithm>

#include "base/cat.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxRatings = 26 * 7, kMaxFlags = 26 * 3, kMaxSpans = 100, kMaxWordBytes = 40;
constexpr int64_t kMaxPosition = 10'000'000;

[[noreturn]] void bad(const std::string& where, const std::string& must) {
  throw refusal(400, "bad_request", cat("[body] ", where, " must be ", must, "."));
}

/// One object of a list, with its fields checked by name.
class Entry {
 public:
  Entry(const Json& json, std::string where, std::initializer_list<std::string_view> known)
      : json_(json), where_(std::move(where)) {
    if (!json.is_object()) bad(where_, "an object");
    for (const auto& [name, value] : json.items()) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        bad(where_, cat("without unknown fields, but has \"", name.substr(0, 60), "\""));
      }
    }
  }
  std::string text(const char* name, size_t max_bytes, bool required = true) const {
    const auto found = json_.find(name);
    if (found == json_.end() || found->is_null()) {
      if (required) bad(cat(where_, ".", name), "given");
      return "";
    }
    if (!found->is_string()) bad(cat(where_, ".", name), "a string");
    std::string text = found->get<std::string>();
    if (text.find('\0') != std::string::npos) bad(cat(where_, ".", name), "text without U+0000");
    if (text.size() > max_bytes) {
      throw refusal(400, "too_long", cat("[body] ", where_, ".", name, " must be at most ", max_bytes, " bytes."));
    }
    return text;
  }
  int64_t whole(const char* name, int64_t minimum, int64_t maximum) const {
    const auto found = json_.find(name);
    const bool fits = found != json_.end() && found->is_number_integer() &&
                      !(found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX) &&
                      found->get<int64_t>() >= minimum && found->get<int64_t>() <= maximum;
    if (!fits) bad(cat(where_, ".", name), cat("a whole number from ", minimum, " to ", maximum));
    return found->get<int64_t>();
  }
  std::string side(const std::vector<std::string>& sides) const {
    std::string side = text("side", kMaxWordBytes);
    if (std::find(sides.begin(), sides.end(), side) == sides.end()) bad(cat(where_, ".side"), "one that was shown");
    return side;
  }
  const std::string& where() const { return where_; }

 private:
  const Json& json_;
  std::string where_;
};

const Json& list_of(const Body& body, const char* name, size_t max_entries) {
  static const Json kNone = Json::array();
  if (!body.has(name)) return kNone;
  const Json& list = body.at(name);
  if (!list.is_array() || list.size() > max_entries) bad(name, cat("a list of at most ", max_entries));
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
    const Entry entry(aspects[i], where("aspects", i), {"side", "aspect", "value"});
    storage::AspectRating rating;
    rating.generation_id = entry.side(sides);
    if (!from_string(entry.text("aspect", kMaxWordBytes), rating.aspect)) bad(entry.where() + ".aspect", "a known one");
    rating.value = static_cast<int>(entry.whole("value", 1, 5));
    details.aspects.push_back(std::move(rating));
  }
  const Json& flags = list_of(body, "flags", kMaxFlags);
  for (size_t i = 0; i < flags.size(); ++i) {
    const Entry entry(flags[i], where("flags", i), {"side", "kind", "note"});
    storage::Flag flag;
    flag.generation_id = entry.side(sides);
    if (!from_string(entry.text("kind", kMaxWordBytes), flag.kind)) bad(entry.where() + ".kind", "a known one");
    flag.note = entry.text("note", kMaxDetailNoteBytes, false);
    details.flags.push_back(std::move(flag));
  }
  const Json& spans = list_of(body, "spans", kMaxSpans);
  for (size_t i = 0; i < spans.size(); ++i) {
    const Entry entry(spans[i], where("spans", i), {"side", "start", "end", "kind", "text"});
    storage::SpanNote span;
    span.generation_id = entry.side(sides);
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
    if (found == answer_of_side.end()) bad("side", "one that was shown");
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
