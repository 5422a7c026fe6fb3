// SPDX-License-Identifier: Apache-2.0
// Projects and items between JSON and the store.
#include "collector/tasks/wire.h"

#include <cmath>

#include "base/cat.h"
#include "base/clock.h"
#include "collector/body_entry.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxTextBytes = 64 * 1024;

double real(const Body& body, const char* name, double low, double high, double otherwise) {
  if (!body.has(name)) return otherwise;
  const Json& value = body.at(name);
  if (!value.is_number()) bad_field(name, "a number");
  const double number = value.get<double>();
  if (!(number >= low && number <= high)) bad_field(name, cat("from ", low, " to ", high));
  return number;
}

int whole(const Body& body, const char* name, int64_t low, int64_t high, int64_t otherwise) {
  return static_cast<int>(body.has(name) ? body.whole(name, low, high) : otherwise);
}

template <typename E>
E word(const Body& body, const char* name) {
  E value{};
  if (!from_string(body.text(name, 40), value)) bad_field(name, "a known word");
  return value;
}

storage::NewItem read_item(const Json& json, const std::string& where) {
  const BodyEntry entry(json, where, {"external_id", "prompt", "answers", "gold", "training", "feedback", "priority"});
  storage::NewItem item;
  item.external_id = entry.text("external_id", 200, false);
  const Json& prompt = entry.list("prompt", 64);
  for (size_t i = 0; i < prompt.size(); ++i) {
    const BodyEntry message(prompt[i], cat(where, ".prompt[", i, "]"), {"role", "content"});
    item.prompt.push_back({message.text("role", 20), message.text("content", kMaxTextBytes)});
  }
  const Json& answers = entry.list("answers", storage::kMaxItemAnswers);
  for (size_t i = 0; i < answers.size(); ++i) {
    const BodyEntry answer(answers[i], cat(where, ".answers[", i, "]"), {"text", "model"});
    item.answers.push_back({answer.text("text", kMaxTextBytes), answer.text("model", 500, false)});
  }
  if (entry.has("gold")) item.gold = entry.at("gold");
  if (entry.has("training")) {
    if (!entry.at("training").is_boolean()) bad_field(cat(where, ".training"), "true or false");
    item.training = entry.at("training").get<bool>();
  }
  item.feedback = entry.text("feedback", 4000, false);
  if (entry.has("priority")) {
    const Json& priority = entry.at("priority");
    if (!priority.is_number_integer() || priority < 0 || priority > 9)
      bad_field(cat(where, ".priority"), "from 0 to 9");
    item.priority = priority.get<int>();
  }
  return item;
}

std::vector<std::string> words_of(const std::vector<storage::Aspect>& aspects) {
  std::vector<std::string> out;
  for (const auto aspect : aspects)
    out.emplace_back(to_string(aspect));
  return out;
}

Json messages_json(const std::vector<storage::PromptMessage>& prompt) {
  Json out = Json::array();
  for (const auto& message : prompt)
    out.push_back({{"role", message.role}, {"content", message.content}});
  return out;
}

Json answers_json(const std::vector<std::string>& answers) {
  const auto letters = side_letters(answers.size());
  Json out = Json::array();
  for (size_t i = 0; i < answers.size(); ++i)
    out.push_back({{"side", letters[i]}, {"text", answers[i]}});
  return out;
}

Json submission_json(const storage::SubmissionView& view, storage::ProjectKind kind) {
  Json out = verdict_to_json(kind, view.verdict);
  out["id"] = view.id;
  out["annotator"] = view.annotator;
  out["reason"] = view.reason;
  if (!view.rewrite.empty()) out["rewrite"] = view.rewrite;
  out["hasty"] = view.hasty;
  out["correct"] = view.correct ? Json(*view.correct) : Json();
  out["confidence"] = view.confidence ? Json(*view.confidence) : Json();
  out["ms_to_decide"] = view.ms_to_decide ? Json(*view.ms_to_decide) : Json();
  out["created_at"] = iso8601_utc(view.created_at);
  return out;
}

}  // namespace

std::vector<std::string> side_letters(size_t n) {
  std::vector<std::string> out;
  for (size_t i = 0; i < n; ++i)
    out.emplace_back(1, static_cast<char>('a' + i));
  return out;
}

storage::ProjectSettings read_settings(const Body& body) {
  storage::ProjectSettings s;
  s.name = body.text("name", 200);
  if (s.name.empty()) bad_field("name", "given");
  s.kind = word<storage::ProjectKind>(body, "kind");
  s.locale = body.text_or("locale", 35, "");
  s.guidelines = body.text("guidelines", 32 * 1024);
  if (body.has("aspects")) {
    for (const std::string& name : body.words("aspects", 7)) {
      storage::Aspect aspect{};
      if (!from_string(name, aspect)) bad_field("aspects", "known aspects");
      s.aspects.push_back(aspect);
    }
  }
  s.flags = body.has("flags") && body.truth("flags");
  s.overlap = whole(body, "overlap", 1, 50, s.overlap);
  s.lease_seconds = whole(body, "lease_seconds", 60, 86400, s.lease_seconds);
  s.gold_rate = real(body, "gold_rate", 0, 0.5, 0);
  s.gold_pass = real(body, "gold_pass", 0, 1, 0);
  s.training_items = whole(body, "training_items", 0, 50, 0);
  s.training_pass = real(body, "training_pass", 0, 1, 0);
  if (body.has("skip")) s.skip = word<storage::SkipPolicy>(body, "skip");
  s.max_per_annotator = whole(body, "max_per_annotator", 0, 1'000'000'000, 0);
  return s;
}

Json project_json(const storage::Project& p, bool with_gold) {
  const auto& s = p.settings;
  Json out{{"id", p.id},
           {"name", s.name},
           {"kind", to_string(s.kind)},
           {"locale", s.locale},
           {"state", to_string(p.state)},
           {"guidelines", s.guidelines},
           {"guidelines_version", p.guidelines_version},
           {"aspects", words_of(s.aspects)},
           {"flags", s.flags},
           {"overlap", s.overlap},
           {"lease_seconds", s.lease_seconds},
           {"training_items", s.training_items},
           {"training_pass", s.training_pass},
           {"skip", to_string(s.skip)},
           {"max_per_annotator", s.max_per_annotator},
           {"items", p.work_items},
           {"done", p.done_items},
           {"submissions", p.submissions},
           {"annotators", p.annotators},
           {"disputed", p.disputed},
           {"created_at", iso8601_utc(p.created_at)}};
  if (!with_gold) return out;
  out["gold_rate"] = s.gold_rate;
  out["gold_pass"] = s.gold_pass;
  out["gold_available"] = p.gold_available;
  out["training_available"] = p.training_available;
  return out;
}

Json project_line_json(const storage::ProjectLine& line) {
  Json training;
  if (line.training_needed > 0) {
    training = {{"needed", line.training_needed}, {"seen", line.training_seen}, {"passed", line.training_passed}};
  }
  return {{"id", line.id},
          {"name", line.name},
          {"kind", to_string(line.kind)},
          {"locale", line.locale},
          {"guidelines_version", line.guidelines_version},
          {"state", to_string(line.state)},
          {"items", line.items},
          {"done", line.done},
          {"mine_done", line.mine_done},
          {"mine_pending", line.mine_pending},
          {"training", training}};
}

std::vector<storage::NewItem> read_items(const Body& body) {
  const Json& list = body.at("items");
  if (!list.is_array() || list.empty() || list.size() > storage::kMaxItemsOfRequest)
    bad_field("items", cat("a list of 1 to ", storage::kMaxItemsOfRequest, " items"));
  std::vector<storage::NewItem> items;
  for (size_t i = 0; i < list.size(); ++i)
    items.push_back(read_item(list[i], cat("items[", i, "]")));
  return items;
}

Json task_json(const storage::Task& task) {
  Json draft;
  if (task.draft) draft = {{"rev", task.draft->rev}, {"body", task.draft->body}};
  return {{"assignment", task.assignment_id},
          {"item", task.item_id},
          {"kind", to_string(task.kind)},
          {"lease_until", iso8601_utc(task.lease_until)},
          {"phase", task.phase == storage::Phase::training ? "training" : "work"},
          {"locale", task.locale},
          {"prompt", messages_json(task.prompt)},
          {"answers", answers_json(task.answers)},
          {"draft", draft},
          {"aspects", words_of(task.aspects)},
          {"flags", task.flags},
          {"guidelines_version", task.guidelines_version}};
}

Json item_json(const storage::ItemView& item, storage::ProjectKind kind) {
  Json submissions = Json::array();
  for (const auto& view : item.submissions)
    submissions.push_back(submission_json(view, kind));
  Json adjudication;
  if (item.adjudication) {
    adjudication = item.adjudication->verdict;
    adjudication["id"] = item.adjudication->id;
    adjudication["note"] = item.adjudication->note;
    adjudication["created_at"] = iso8601_utc(item.adjudication->created_at);
  }
  return {{"id", item.id},
          {"external_id", item.external_id},
          {"kind", to_string(kind)},
          {"source", to_string(item.source)},
          {"priority", item.priority},
          {"gold", item.gold ? *item.gold : Json()},
          {"training", item.training},
          {"closed", item.closed},
          {"disputed", item.disputed},
          {"overlap", item.overlap ? Json(*item.overlap) : Json()},
          {"done", item.done_count},
          {"leased", item.active_leases},
          {"spread", item.spread ? Json(*item.spread) : Json()},
          {"prompt", messages_json(item.prompt)},
          {"answers", answers_json(item.answers)},
          {"submissions", submissions},
          {"adjudication", adjudication}};
}

}  // namespace afina::collector
