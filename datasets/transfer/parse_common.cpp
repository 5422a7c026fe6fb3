// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

bool ends_in_number(const std::string& name, int& number) {
  size_t at = name.size();
  while (at > 0 && std::isdigit(static_cast<unsigned char>(name[at - 1])) && name.size() - at < 3)
    --at;
  if (at == name.size() || at == 0) return false;
  number = std::stoi(name.substr(at));
  return true;
}

bool one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// By how the usual templates of these tools call them.
bool is_answer_name(const std::string& name) {
  for (const char* part :
       {"response", "answer", "completion", "output", "generation", "respuesta", "resposta", "chosen", "rejected"})
    if (name.find(part) != std::string::npos) return true;
  int number = 0;
  return one_of(name, {"text_a", "text_b", "option_a", "option_b", "left", "right"}) ||
         (ends_in_number(name, number) && (name.starts_with("text") || name.starts_with("option")));
}

int prompt_rank(const std::string& name) {
  constexpr std::string_view kNames[] = {"prompt",   "instruction", "question",     "messages", "chat",
                                         "dialogue", "dialog",      "conversation", "input",    "query",
                                         "pregunta", "pergunta",    "text",         "context"};
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (name == kNames[i]) return static_cast<int>(i);
  return 1000;
}

}  // namespace

void refuse_row(const std::string& what, const std::string& hint) {
  throw DataError("[row] must " + what, hint);
}

std::string text_at(const Json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string require_text_at(const Json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || !found->is_string())
    refuse_row(cat("have a text as \"", name, "\", but ",
                   found == row.end() ? "has none." : cat("it is a JSON ", found->type_name(), ".")));
  return found->get<std::string>();
}

std::string id_at(const Json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? found->dump() : std::string();
}

bool truth_at(const Json& row, const char* name, bool otherwise) {
  const auto found = row.find(name);
  return found != row.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

std::string lower_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::optional<int64_t> whole_number(const Json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return INT64_MAX;
  return value.is_number_integer() ? std::optional(value.get<int64_t>()) : std::nullopt;
}

std::string role_word(const std::string& word) {
  const std::string role = lower_ascii(word);
  if (one_of(role, {"user", "human", "prompter", "customer", "person", "usuario", "persona"})) return "user";
  if (one_of(role, {"assistant", "gpt", "bot", "model", "chatgpt", "bing", "bard", "ai", "asistente", "assistente"}))
    return "assistant";
  if (one_of(role, {"tool", "function", "observation"})) return "tool";
  return role == "system" ? "system" : "";
}

std::vector<ImportMessage> messages_of(const Json& list, const std::string& model) {
  if (!list.is_array() || list.empty()) refuse_row("have messages as a list, but has none.");
  std::vector<ImportMessage> out;
  for (const Json& entry : list) {
    if (!entry.is_object()) refuse_row(cat("have objects as messages, but one is a JSON ", entry.type_name(), "."));
    std::string who, words;
    for (const char* name : {"role", "from", "author", "name", "speaker"})
      if (who.empty()) who = text_at(entry, name);
    bool found = false;
    for (const char* name : {"content", "value", "text"}) {
      if (found || !entry.contains(name)) continue;
      words = require_text_at(entry, name);
      found = true;
    }
    const std::string role = role_word(who);
    if (role.empty())
      refuse_row(cat("have messages of system, user, assistant and tool, but one is of \"", printable(who, 40), "\"."));
    if (!found) refuse_row("have a text in each message, but one has none.");
    out.push_back({role, std::move(words), role == "assistant" ? model : ""});
  }
  return out;
}

FieldMap map_fields(const OrderedJson& fields) {
  if (!fields.is_object() || fields.empty()) refuse_row("have fields, but has none.");
  FieldMap map;
  std::string prompt;
  int best = 10'000, place = 0;
  for (const auto& [name, value] : fields.items()) {
    ++place;
    if (is_answer_name(lower_ascii(name)) || !(value.is_string() || value.is_array())) continue;
    const int rank = prompt_rank(lower_ascii(name)) == 1000 ? 1000 + place : prompt_rank(lower_ascii(name));
    if (rank < best) {
      best = rank;
      prompt = name;
    }
  }
  if (prompt.empty()) refuse_row("have a field with the prompt, but has none.");
  for (const auto& [name, value] : fields.items()) {
    if (name == prompt) {
      if (value.is_string())
        map.prompt.push_back({"user", value.get<std::string>(), ""});
      else
        map.prompt = messages_of(Json(value));
    } else if (value.is_string() && is_answer_name(lower_ascii(name))) {
      map.answer_by_name[name] = static_cast<int>(map.answers.size());
      map.answers.push_back({value.get<std::string>(), ""});
    }
  }
  return map;
}

}  // namespace afina::datasets
