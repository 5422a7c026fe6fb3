// SPDX-License-Identifier: Apache-2.0
// Tasks of Label Studio's JSON export: pairwise, choices, rating, ranker, textarea and paragraphs.
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "datasets/transfer/verdict_words.h"

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
  PersonSaid said;
  std::vector<ImportNote> spans;
};

// A tag is often called as its field is, or as it with another number's spelling ("txt-1" of "text1").
int answer_of_tag(const FieldMap& map, const std::string& tag) {
  const int answer = answer_named(map, tag, true);
  return answer >= 0 ? answer : answer_in_name(map, tag);
}

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
    const int answer = entry.is_string() ? answer_named(map, entry.get<std::string>(), true) : -1;
    if (answer < 0) return false;
    j.ranks[static_cast<size_t>(answer)] = place++;
  }
  return true;
}

void read_span(Annotation& a, const std::string& to, const Json& value) {
  const int answer = answer_of_tag(a.map, to);
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
  const Json texts = value.contains("text") ? value["text"] : Json::array();
  std::string out = texts.is_string() ? texts.get<std::string>() : "";
  for (const Json& text : texts.is_array() ? texts : Json::array()) {
    if (!text.is_string()) continue;
    if (!out.empty()) out += '\n';
    out += text.get<std::string>();
  }
  if (role_of_question(from) == QuestionRole::rewrite)
    a.said.rewrote(from, out);
  else
    a.said.wrote(from, out);
}

// Which answer stood left. The tag's toName says it ("left,right"); the tool itself writes the control's own name into
// to_name, and then only names that count ("answer1", "answer2", "response_a", "response_b") tell their order.
int left_answer(const FieldMap& map, const std::string& from, const std::string& to) {
  const size_t comma = to.find(',');
  if (comma != std::string::npos) {
    const int left = answer_of_tag(map, trimmed(to.substr(0, comma)));
    const int right = answer_of_tag(map, trimmed(to.substr(comma + 1)));
    if (left < 0 || right < 0 || left == right)
      refuse_row(cat("name two answers in to_name, but it is \"", printable(to, 60), "\"."),
                 "call the tags as the fields are called");
    return left;
  }
  if (to != from) {
    const int left = answer_of_tag(map, to);
    if (left >= 0) return left;
  }
  const int first = first_in_order(map);
  if (first >= 0) return first;
  refuse_row(cat("tell which answer stood left, but to_name is \"", printable(to, 60), "\"."),
             "write to_name as \"left,right\" with the names of the two fields");
}

void read_pairwise(const Annotation& a, const std::string& from, const std::string& to, const Json& value,
                   ImportJudgement& j) {
  const std::string selected = first_word(value.contains("selected") ? value["selected"] : Json());
  if (a.map.answers.size() != 2) refuse_row(cat("compare two answers, but has ", a.map.answers.size(), "."));
  if (selected != "left" && selected != "right")
    refuse_row(cat("have left or right selected, but has \"", printable(selected, 40), "\"."));
  const int left = left_answer(a.map, from, to);
  j.a_on_left = left == 0;
  j.grade = (selected == "left") == (left == 0) ? kPlainGrade : -kPlainGrade;
}

bool read_choice(const Annotation& a, const std::string& from, const Json& value, ImportJudgement& j) {
  const Json chosen = value.contains("choices") ? value["choices"] : Json();
  if (chosen.is_array() && chosen.size() != 1) return false;
  return read_label(a.map, role_of_question(from), first_word(chosen), j);
}

bool read_rating(const Annotation& a, const std::string& from, const std::string& to, const Json& value,
                 ImportJudgement& j) {
  if (!value.contains("rating") || !value["rating"].is_number()) return false;
  const double rating = value["rating"].get<double>();
  j.kind = ImportJudgement::Kind::score;
  j.answer = a.map.answers.size() == 1 ? 0 : answer_of_tag(a.map, to);
  if (j.answer < 0) j.answer = answer_in_name(a.map, from);
  if (j.answer < 0) return false;
  if (rating < 1 || rating > a.options.rating_max)
    refuse_row(cat("have ratings of 1 to ", a.options.rating_max, ", but one is ", rating, "."),
               "name the best one with rating_max");
  j.score = (rating - 1) / (a.options.rating_max - 1);
  return true;
}

void read_result(Annotation& a, const Json& result) {
  const std::string type = text_at(result, "type"), from = text_at(result, "from_name"),
                    to = text_at(result, "to_name");
  const auto found = result.find("value");
  if (found == result.end() || !found->is_object())
    return a.remark("[row] must have results with a value, but one has none.");
  const Json& value = *found;
  if (type == "textarea") return read_text(a, from, value);
  if (type == "paragraphlabels" || type == "labels" || type == "hypertextlabels") return read_span(a, to, value);
  ImportJudgement j;
  j.question = from;
  bool said = type == "pairwise";
  if (said)
    read_pairwise(a, from, to, value, j);
  else if (type == "choices")
    said = read_choice(a, from, value, j);
  else if (type == "rating")
    said = read_rating(a, from, to, value, j);
  else if (type == "ranker")
    said = read_ranker(a.map, value.contains("ranker") ? value["ranker"] : Json(), j);
  if (said) return a.said.judged(std::move(j), type == "pairwise");
  a.remark(cat("[row] must have results about its answers, but \"", printable(from, 60), "\" of type \"",
               printable(type, 40), "\" says nothing of them."));
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
  Annotation a{map, options, remark, {}, {}};
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
  auto judgements = a.said.settle(remark);
  for (size_t i = 0; i < judgements.size(); ++i) {
    ImportJudgement& j = judgements[i];
    j.annotator = annotator_of(annotation);
    if (!id.empty()) j.external_id = i == 0 ? id : cat(id, "/", i);
    const auto lead = annotation.find("lead_time");
    if (lead != annotation.end() && lead->is_number() && lead->get<double>() >= 0 && lead->get<double>() < 1e9)
      j.ms_to_decide = std::llround(lead->get<double>() * 1000);
    if (j.kind != ImportJudgement::Kind::score && j.kind != ImportJudgement::Kind::ranking)
      j.spans = std::exchange(a.spans, {});
    record.judgements.push_back(std::move(j));
  }
  if (!a.spans.empty()) remark("[row] must compare its answers where it marks spans in them, but does not.");
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
  record.locale = locale_at(*data, {"locale", "language", "lang"});
  record.messages = map.prompt;
  record.answers = map.answers;
  const auto annotations = row.find("annotations");
  for (const Json& annotation : annotations != row.end() && annotations->is_array() ? *annotations : Json::array())
    read_annotation(annotation, map, options, remark, record);
  emit(std::move(record));
}

}  // namespace afina::datasets
