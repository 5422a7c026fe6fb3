// SPDX-License-Identifier: Apache-2.0
// Tasks of Label Studio's JSON export: pairwise, choices, rating, ranker, textarea and paragraphs.
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

// JavaScript counts UTF-16 units; we count code points.
int64_t code_points_before(const std::string& text, int64_t utf16) {
  int64_t units = 0, points = 0;
  for (const char32_t c : code_points(text)) {
    if (units >= utf16) break;
    units += c > 0xFFFF ? 2 : 1;
    ++points;
  }
  return points;
}

std::string first_word(const Json& list) {
  if (list.is_string()) return list.get<std::string>();
  return list.is_array() && !list.empty() && list[0].is_string() ? list[0].get<std::string>() : "";
}

std::string span_kind(const std::string& label) {
  const std::string low = lower_ascii(label);
  for (const char* kind : {"good", "bad", "wrong", "personal_data", "dialect"})
    if (low == kind) return kind;
  return "other";
}

struct Annotation {
  const FieldMap& map;
  const ParseOptions& options;
  const Remark& remark;
  std::vector<ImportJudgement> judgements;
  std::string reason, rewrite;
  std::vector<ImportNote> spans;
};

bool read_ranker(const FieldMap& map, const Json& value, ImportJudgement& j) {
  const Json* list = &value;
  if (list->is_object()) {
    if (list->size() != 1) return false;
    list = &*list->begin();  // buckets: one list
  }
  if (!list->is_array() || list->size() < 2) return false;
  j.kind = ImportJudgement::Kind::ranking;
  j.ranks.assign(map.answers.size(), -1);
  int place = 0;
  for (const Json& entry : *list) {
    const int answer = entry.is_string() ? answer_of(map, entry.get<std::string>()) : -1;
    if (answer < 0) return false;
    j.ranks[static_cast<size_t>(answer)] = place++;
  }
  return true;
}

void read_span(Annotation& a, const std::string& to, const Json& value) {
  const int answer = answer_of(a.map, to);
  if (answer < 0) return a.remark("[row] must mark spans of an answer, but marks them elsewhere.");
  const std::string& text = a.map.answers[static_cast<size_t>(answer)].text;
  const auto offset = [&](const char* name, const char* other) {
    const char* field = value.contains(name) ? name : other;
    if (!value.contains(field) || !value[field].is_number_integer())
      refuse_row("have whole numbers as offsets of a span, but does not.");
    return code_points_before(text, value[field].get<int64_t>());
  };
  std::string label;
  for (const char* name : {"paragraphlabels", "labels", "hypertextlabels"})
    if (label.empty() && value.contains(name)) label = first_word(value[name]);
  const std::string kind = span_kind(label);
  a.spans.push_back(
      {answer, kind, kind == "other" ? label : "", offset("startOffset", "start"), offset("endOffset", "end")});
}

void read_text(Annotation& a, const std::string& from, const Json& value) {
  const std::string low = lower_ascii(from);
  bool rewrite = false;
  for (const char* part : {"correct", "rewrite", "edit", "improve", "better", "reescri", "correg", "corrig"})
    rewrite = rewrite || low.find(part) != std::string::npos;
  const Json texts = value.contains("text") ? value["text"] : Json::array();
  std::string& out = rewrite ? a.rewrite : a.reason;
  if (texts.is_string()) out += texts.get<std::string>();
  for (const Json& text : texts.is_array() ? texts : Json::array())
    if (text.is_string()) out += (out.empty() ? "" : "\n") + text.get<std::string>();
}

void read_result(Annotation& a, const Json& result) {
  const std::string type = text_at(result, "type"), from = text_at(result, "from_name"),
                    to = text_at(result, "to_name");
  const auto found = result.find("value");
  if (found == result.end() || !found->is_object())
    return a.remark("[row] must have results with a value, but one has none.");
  const Json& value = *found;
  ImportJudgement j;
  bool said = false;
  if (type == "pairwise") {
    said = read_label(a.map, first_word(value.contains("selected") ? value["selected"] : Json()), j);
    j.a_on_left = true;
  } else if (type == "choices") {
    said = read_label(a.map, first_word(value.contains("choices") ? value["choices"] : Json()), j);
  } else if (type == "rating" && value.contains("rating") && value["rating"].is_number()) {
    const double rating = value["rating"].get<double>();
    j.kind = ImportJudgement::Kind::score;
    j.answer = a.map.answers.size() == 1 ? 0 : std::max(answer_of(a.map, to), answer_of(a.map, from));
    if (rating < 1 || rating > a.options.rating_max)
      refuse_row(cat("have ratings of 1 to ", a.options.rating_max, ", but one is ", rating, "."),
                 "name the best one with rating_max");
    j.score = (rating - 1) / (a.options.rating_max - 1);
    said = j.answer >= 0;
  } else if (type == "ranker") {
    said = read_ranker(a.map, value.contains("ranker") ? value["ranker"] : Json(), j);
  } else if (type == "textarea") {
    return read_text(a, from, value);
  } else if (type == "paragraphlabels" || type == "labels" || type == "hypertextlabels") {
    return read_span(a, to, value);
  }
  if (said)
    a.judgements.push_back(std::move(j));
  else
    a.remark(cat("[row] must have results about its answers, but one of type \"", printable(type, 40),
                 "\" says nothing of them."));
}

std::string annotator_of(const Json& annotation) {
  const auto found = annotation.find("completed_by");
  if (found == annotation.end()) return "";
  if (!found->is_object()) return id_at(annotation, "completed_by");
  const std::string email = text_at(*found, "email");
  return email.empty() ? id_at(*found, "id") : email;
}

void read_annotation(const Json& annotation, const FieldMap& map, const ParseOptions& options, const Remark& remark,
                     ImportRecord& record) {
  if (!annotation.is_object() || truth_at(annotation, "was_cancelled", false)) return;
  Annotation a{map, options, remark, {}, "", "", {}};
  const auto results = annotation.find("result");
  for (const Json& result : results != annotation.end() && results->is_array() ? *results : Json::array())
    if (result.is_object()) {
      try {
        read_result(a, result);
      } catch (const DataError& error) {
        remark(error.what());  // one slip takes nothing from the rest
      }
    }
  const std::string id = id_at(annotation, "id");
  for (size_t i = 0; i < a.judgements.size(); ++i) {
    ImportJudgement& j = a.judgements[i];
    j.annotator = annotator_of(annotation);
    if (!id.empty()) j.external_id = i == 0 ? id : cat(id, "/", i);
    const auto lead = annotation.find("lead_time");
    if (lead != annotation.end() && lead->is_number() && lead->get<double>() >= 0 && lead->get<double>() < 1e9)
      j.ms_to_decide = std::llround(lead->get<double>() * 1000);
    const bool pairwise = j.kind != ImportJudgement::Kind::score && j.kind != ImportJudgement::Kind::ranking;
    if (i == 0) j.reason = std::exchange(a.reason, "");
    if (pairwise) {
      j.rewrite = std::exchange(a.rewrite, "");
      j.spans = std::exchange(a.spans, {});
    }
    record.judgements.push_back(std::move(j));
  }
  if (!a.reason.empty() || !a.rewrite.empty() || !a.spans.empty())
    remark("[row] must judge its answers where it writes about them, but an annotation does not.");
}

}  // namespace

void parse_label_studio_row(const Json& row, const ParseOptions& options, const Emit& emit, const Remark& remark) {
  const auto data = row.find("data");
  if (data == row.end() || !data->is_object()) refuse_row("have an object as \"data\", but has none.");
  OrderedJson fields = OrderedJson::object();
  for (const auto& [name, value] : data->items())
    if (value.is_string() || value.is_array()) fields[name] = value;
  const FieldMap map = map_fields(fields);
  ImportRecord record;
  record.external_id = id_at(row, "id");
  for (const char* name : {"locale", "language", "lang"})
    if (record.locale.empty()) record.locale = locale_word(text_at(*data, name));
  record.messages = map.prompt;
  record.answers = map.answers;
  const auto annotations = row.find("annotations");
  for (const Json& annotation : annotations != row.end() && annotations->is_array() ? *annotations : Json::array())
    read_annotation(annotation, map, options, remark, record);
  emit(std::move(record));
}

}  // namespace afina::datasets
