// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/assembler.h"

#include "base/cat.h"
#include "collector/proxy/chat_request.h"
#include "http/client.h"

namespace afina::collector {
namespace {

constexpr int64_t kMaxCalls = 128;
constexpr size_t kMaxFinishBytes = 40;

[[noreturn]] void nonsense(const std::string& what) {
  throw http::UpstreamError(http::UpstreamFault::nonsense,
                            cat("[upstream] must answer in OpenAI's form, but ", what, "."));
}

const Json* member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

void Assembler::append(Json& to, const Json& piece) {
  if (!piece.is_string()) nonsense("a piece of text is no string");
  std::string words = to.is_string() ? to.get<std::string>() : "";
  const std::string& more = piece.get_ref<const std::string&>();
  bytes_ += more.size();
  if (bytes_ > kMaxBytes) nonsense("the answer has no end");
  to = std::move(words.append(more));
}

void Assembler::take(const Json& chunk) {
  if (!chunk.is_object()) nonsense("an event is no object");
  if (const Json* error = member(chunk, "error")) {
    const http::ErrorWords words = http::error_words(*error);
    throw http::UpstreamError(http::UpstreamFault::refused,
                              cat("[upstream] must go on, but sent an error", http::named_words(words), "."), 0, 0,
                              words);
  }
  if (const Json* usage = member(chunk, "usage"); usage && usage->is_object()) usage_ = *usage;
  if (const Json* ours = member(chunk, "afina"); ours && ours->is_object()) {
    if (!afina_.is_object()) afina_ = Json::object();
    afina_.update(*ours);
  }
  const Json* choices = member(chunk, "choices");
  if (!choices) return;
  if (!choices->is_array()) nonsense("choices is no list");
  for (const Json& choice : *choices)
    take_choice(choice);
}

void Assembler::take_choice(const Json& choice) {
  if (!choice.is_object()) nonsense("a choice is no object");
  const Json index = choice.value("index", Json(0));
  if (!index.is_number_integer() || index.get<int64_t>() < 0 || index.get<int64_t>() >= kMaxChoices) {
    nonsense("a choice has an index out of range");
  }
  Choice& into = choices_[index.get<int>()];
  if (const Json* reason = member(choice, "finish_reason"); reason && reason->is_string()) {
    into.finish_reason = reason->get<std::string>().substr(0, kMaxFinishBytes);
  }
  if (const Json* ours = member(choice, "afina"); ours && ours->is_object() && index == 0) afina_ = *ours;
  if (const Json* logprobs = member(choice, "logprobs"); logprobs && logprobs->is_object()) {
    for (const char* key : {"content", "refusal"}) {
      const Json* list = member(*logprobs, key);
      if (!list || !list->is_array()) continue;
      bytes_ += list->size() * 64;
      if (bytes_ > 16 * kMaxBytes) nonsense("the answer has no end");
      if (into.logprobs.is_null()) into.logprobs = {{"content", nullptr}, {"refusal", nullptr}};
      Json& all = into.logprobs[key];
      if (all.is_null()) all = Json::array();
      all.insert(all.end(), list->begin(), list->end());
    }
  }
  if (const Json* delta = member(choice, "delta"); delta && delta->is_object()) take_delta(into, *delta);
}

void Assembler::take_delta(Choice& choice, const Json& delta) {
  for (const char* key : {"content", "refusal", "reasoning_content", "reasoning"}) {
    if (const Json* piece = member(delta, key)) append(choice.message[key], *piece);
  }
  if (const Json* calls = member(delta, "tool_calls"); calls && calls->is_array()) take_calls(choice, *calls);
}

void Assembler::take_calls(Choice& choice, const Json& calls) {
  for (const Json& call : calls) {
    if (!call.is_object()) nonsense("a call is no object");
    const Json index = call.value("index", Json(0));
    if (!index.is_number_integer() || index.get<int64_t>() < 0 || index.get<int64_t>() >= kMaxCalls) {
      nonsense("a call has an index out of range");
    }
    Json& into = choice.calls[index.get<int64_t>()];
    if (into.is_null()) into = {{"type", "function"}, {"function", {{"name", ""}, {"arguments", ""}}}};
    for (const char* key : {"id", "type"}) {
      if (const Json* word = member(call, key); word && word->is_string()) into[key] = *word;
    }
    const Json* function = member(call, "function");
    if (!function || !function->is_object()) continue;
    for (const char* key : {"name", "arguments"}) {
      if (const Json* piece = member(*function, key)) append(into["function"][key], *piece);
    }
  }
}

Json Assembler::choices() const {
  Json all = Json::array();
  for (const auto& [index, choice] : choices_) {
    Json message = choice.message;
    for (const auto& [_, call] : choice.calls)
      message["tool_calls"].push_back(call);
    if (!message.contains("refusal")) message["refusal"] = nullptr;
    all.push_back({{"index", index},
                   {"message", std::move(message)},
                   {"finish_reason", choice.finish_reason.empty() ? Json("stop") : Json(choice.finish_reason)},
                   {"logprobs", choice.logprobs}});
  }
  return all;
}

std::string Assembler::text(int index) const {
  const auto found = choices_.find(index);
  if (found == choices_.end()) return "";
  const Json& content = found->second.message.at("content");
  if (content.is_string() && !content.get_ref<const std::string&>().empty()) return content;
  if (found->second.calls.empty()) return "";
  Json calls = Json::array();
  for (const auto& [_, call] : found->second.calls)
    calls.push_back(call);
  return dump_json(calls);
}

std::string Assembler::finish_reason(int index) const {
  const auto found = choices_.find(index);
  return found == choices_.end() ? "" : found->second.finish_reason;
}

bool Assembler::calls_tools(int index) const {
  const auto found = choices_.find(index);
  return found != choices_.end() && !found->second.calls.empty();
}

std::optional<int64_t> Assembler::tokens(const char* key) const {
  if (!usage_.is_object()) return std::nullopt;
  const Json* n = member(usage_, key);
  if (!n || !n->is_number_integer()) return std::nullopt;
  // Beyond 2^63 it would turn negative on its way to int64_t.
  if (n->get<int64_t>() < 0 || n->get<int64_t>() > 100'000'000) return std::nullopt;
  return n->get<int64_t>();
}

}  // namespace afina::collector
